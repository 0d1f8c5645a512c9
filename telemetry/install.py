"""`instrument`: what the environment wants, decided once, before anything heavy is imported.

Comes in: an app and the environment. Goes out: the app's boot steps, and the one `ThisProcess` that
does the rest. It knows neither Celery nor the SDK, so that importing it costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from telemetry import closed, settings
from telemetry.guard import bindhook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Celery

    from telemetry.process import ThisProcess

_this: ThisProcess | None = None
_guarded: list[Celery] = []


def instrument(
    app: Celery,
    *,
    export_interval_seconds: float | None = None,
    attributes: Iterable[str] = (),
    canary_interval_seconds: float | None = None,
    trace_exceptions: Literal["scrub", "keep"] = "scrub",
) -> None:
    """Watch the workers of `app`, count what this process publishes, and push both by OTLP.

    One line where the app is made, for workers and producers alike; the app may be configured
    later, and doing it again changes nothing. OTEL_* variables say where to push and how often, and
    win over `export_interval_seconds`. `attributes` are names of message headers, such as
    `tenant_id`, that become attributes of the tasks' metrics; PORTLESS_ATTRIBUTES wins.
    Where spans are exported, `trace_exceptions="keep"` leaves in them what exceptions say, which
    may be what a task was given; PORTLESS_TRACE_EXCEPTIONS wins.
    With OTEL_SDK_DISABLED=true nothing happens at all, except that a PORTLESS_GUARD of refuse or
    warn still guards the workers.

    With `canary_interval_seconds`, or PORTLESS_CANARY_INTERVAL, which wins over it, each worker
    sends itself a message so often, through the broker and its pool (docs/health.md).
    Raises `telemetry.settings.SettingsError` where the environment contradicts itself.
    """
    this = _begin(
        export_interval_seconds=export_interval_seconds,
        attributes=attributes,
        canary_interval_seconds=canary_interval_seconds,
        trace_exceptions=trace_exceptions,
    )
    if this is not None:
        _check_attributes(this.attributes, attributes)
    _guard(app, enabled=this is not None)
    if this is not None:
        this.add(app)


def push_metrics(*, export_interval_seconds: float | None = None) -> None:
    """Push what OpenTelemetry's instruments record in this process, which need not be a worker.

    One line where an API's application is made: its metrics go to the collector to which workers
    push, as OTEL_* variables say. In a server that forks, call it before or after the fork: every
    process pushes under a name of its own, and none what another recorded. Calling it again changes
    nothing, nor does calling it where a worker runs. A MeterProvider that the application has set
    is left alone. Raises `telemetry.settings.SettingsError` where the environment contradicts
    itself.
    """
    this = _begin(export_interval_seconds=export_interval_seconds)
    if this is not None:
        this.push()


def _begin(**asked: Any) -> ThisProcess | None:  # noqa: ANN401 - as `settings.read` has them
    """Make this process's report, if there is to be one; the first call decides how."""
    global _this  # noqa: PLW0603 - one process, one report
    if _this is None:
        wanted = settings.read(os.environ, green=_green(), **asked)
        if not wanted.enabled:
            return None
        from telemetry.process import ThisProcess  # noqa: PLC0415 - Celery's insides and the SDK

        _this = ThisProcess(wanted, os.environ)
    return _this


def _check_attributes(known: tuple[str, ...], asked: Iterable[str]) -> None:
    """Raise `SettingsError` for an app that wants other attributes than the one before."""
    names = tuple(dict.fromkeys(asked))
    if names and names != known and "PORTLESS_ATTRIBUTES" not in os.environ:
        raise settings.SettingsError(
            f"attributes is {list(names)}, but this process was instrumented with {list(known)} "
            "before; name them in PORTLESS_ATTRIBUTES for all apps"
        )


def this() -> ThisProcess | None:
    """What watches this process, if anything does."""
    return _this


def _guard(app: Celery, enabled: bool) -> None:
    """Close the workers of `app` as PORTLESS_GUARD says.

    Raises `SettingsError` for a word that is no mode: a typing error must not leave a door open.
    """
    try:
        mode = bindhook.mode(os.environ)
    except ValueError as error:
        raise settings.SettingsError(str(error)) from error
    asked = bool(os.environ.get(bindhook.VARIABLE, "").strip())
    if app not in _guarded and mode != "off" and (enabled or asked):
        _guarded.append(app)
        app.steps["worker"].add(closed.step(mode, lambda: _tell_bound(mode)))


def _tell_bound(mode: bindhook.Mode) -> None:
    if _this is not None:
        _this.bound(refused=mode == "refuse")


def _green() -> str | None:
    """The library that has made this process's threads greenlets, if one has."""
    from kombu.utils.compat import detect_environment  # noqa: PLC0415 - importing this is light

    name = str(detect_environment())
    return None if name == "default" else name
