"""`portless doctor`: walk from the app to Prometheus, and name the first hop that is broken.

Comes in: an app, addresses, the OTEL_* environment. Goes out: a line for each hop as it is walked,
or JSON, and an exit code. It knows the order of the hops and how long to wait, not what is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import click

from telemetry.doctor import hops, task
from telemetry.doctor.hops import Hop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry.settings import Settings

App: TypeAlias = Any

LOOK_SECONDS = 0.5
_COUNTER = "celery_task_success_total"


@click.command()
@click.option("-A", "--app", "app_name", required=True, help="The Celery app, as for `celery -A`.")
@click.option("--queue", help="Where to send the marked task.  [default: the app's default queue]")
@click.option(
    "--metrics-url",
    default="http://127.0.0.1:9464/metrics",
    show_default=True,
    help="The page of the collector that Prometheus scrapes.",
)
@click.option("--prometheus-url", help="Prometheus itself; without it, that hop is not walked.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="For how many seconds to wait for the task's count, and for Prometheus' next scrape.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def doctor(
    app_name: str,
    queue: str | None,
    metrics_url: str,
    prometheus_url: str | None,
    wait_seconds: float,
    *,
    as_json: bool,
) -> None:
    """Say why nothing is seen: the first broken hop from the app to Prometheus, and the fix.

    Sends one task that does nothing, `portless.doctor`, and one marked push. Run it with the
    environment that workers have. Exit code 1 if a hop is broken.
    """
    walked = []
    for hop in _walk(app_name, queue, metrics_url, prometheus_url, wait_seconds):
        walked.append(hop)
        if not as_json:
            click.echo(_line(hop))
        if hop.ok is False:
            break
    broken = next((hop for hop in walked if hop.ok is False), None)
    if as_json:
        hops_said = [hop._asdict() for hop in walked]
        click.echo(json.dumps({"ok": broken is None, "hops": hops_said}))
    sys.exit(0 if broken is None else 1)


def _line(hop: Hop) -> str:
    word = {True: "ok    ", False: "BROKEN", None: "-     "}[hop.ok]
    fix = f"\n       fix: {hop.todo}" if hop.todo else ""
    return f"{word} {hop.name}: {hop.what}{fix}"


def _walk(
    app_name: str, queue: str | None, metrics_url: str, prometheus_url: str | None, wait: float
) -> Iterator[Hop]:
    """Each hop when it has been walked; whoever reads stops at the first that is broken."""
    from telemetry import settings  # noqa: PLC0415 - quick help
    from telemetry.broker.cli import connection_of  # noqa: PLC0415 - likewise

    try:
        wanted = settings.read(os.environ)
    except settings.SettingsError as error:
        yield Hop("export", ok=False, what=str(error), todo="correct the variable")
        return
    yield _enabled(wanted)
    app, _ = connection_of(app_name, None)
    yield Hop("app", ok=True, what=f"{app_name} can be imported")
    yield _instrumented(app)
    yield _state(wanted)
    yield _broker(app)
    yield from _pushed(app, wanted, queue, (metrics_url, prometheus_url), wait)


def _enabled(wanted: Settings) -> Hop:
    if wanted.enabled:
        return Hop("export", ok=True, what=f"metrics go to {wanted.collector}")
    return Hop(
        "export",
        ok=False,
        what="the environment turns the export of metrics off",
        todo="unset OTEL_SDK_DISABLED, and OTEL_METRICS_EXPORTER or set it to otlp",
    )


def _instrumented(app: App) -> Hop:
    if task.is_known(app):
        return Hop("instrument", ok=True, what="instrument(app) was called")
    return Hop(
        "instrument",
        ok=False,
        what="the app was imported, and instrument(app) was not called for it",
        todo="call it right after the app is made, in its module: in a signal such as "
        "worker_process_init, after the fork, it comes too late for the worker itself",
    )


def _state(wanted: Settings) -> Hop:
    path = wanted.state_dir
    if path is None:
        return Hop("state", ok=True, what="PORTLESS_STATE_DIR is unset: nothing outlives a worker")
    there = next(one for one in (path, *path.parents) if one.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Hop("state", ok=True, what=f"{path} can be written")
    return Hop(
        "state",
        ok=False,
        what=f"PORTLESS_STATE_DIR {path} cannot be written by this user",
        todo=f"make {there} a directory that the workers' user may write",
    )


def _broker(app: App) -> Hop:
    from telemetry.doctor import probe  # noqa: PLC0415 - the SDK is slow to import

    error = probe.broker_error(app)
    if error is None:
        return Hop("broker", ok=True, what="the broker answers")
    return Hop(
        "broker",
        ok=False,
        what=f"the broker cannot be reached ({error})",
        todo="correct broker_url of the app, and see that the broker runs",
    )


def _pushed(
    app: App, wanted: Settings, queue: str | None, urls: tuple[str, str | None], wait: float
) -> Iterator[Hop]:
    from telemetry.doctor import probe  # noqa: PLC0415 - the SDK is slow to import

    metrics_url, prometheus_url = urls
    own = probe.mark(f"doctor-{uuid4().hex}")
    yield hops.receiver(probe.push(wanted, own), wanted.collector)
    text = probe.page(metrics_url)
    yield _exposition(text)
    said = text or ""
    shown = [
        one
        for one in hops.samples(said, hops.EXPOSED)
        if one.labels.get("instance") == own.instance
    ]
    yield hops.redactor(shown, leaked=own.tenant in said)

    to = queue or str(app.conf.task_default_queue)
    before = _count(said)
    probe.send(app, to, wait)
    rose = _until(lambda: _count(probe.page(metrics_url) or "") - before, wait)
    yield hops.worker(rose or 0.0, probe.waiting(app, to), to)
    if prometheus_url is None:
        yield Hop("prometheus", ok=None, what="not asked: give --prometheus-url")
        return
    # Its instance stands in one of two labels: a lost one is no scrape that failed.
    found = _until(
        lambda: [
            labels
            for labels in probe.query(prometheus_url, hops.EXPOSED) or ()
            if own.instance in (labels.get("instance"), labels.get("exported_instance"))
        ],
        wait,
    )
    yield hops.scrape(found or [], own.job)


def _exposition(text: str | None) -> Hop:
    if text is not None:
        return Hop("exposition", ok=True, what="the collector's page can be read")
    return Hop(
        "exposition",
        ok=False,
        what="the collector's page cannot be read",
        todo="give its address by --metrics-url: exporters::prometheus::endpoint says where it is",
    )


def _count(text: str) -> float:
    found = hops.samples(text, _COUNTER)
    return sum(one.value for one in found if one.labels.get("task_name") == task.NAME)


def _until(look: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401 - what `look` returns
    """What `look` returns first that is true, or None when the time is over."""
    ends_at = monotonic() + seconds
    while monotonic() < ends_at:
        found = look()
        if found:
            return found
        sleep(LOOK_SECONDS)
    return None
