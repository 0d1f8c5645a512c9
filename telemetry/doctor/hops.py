"""What a probe found -> a verdict on one hop of the worker's side, with the fix.

Comes in: answers, counts, settings as values. Goes out: a `Verdict`. No header and no label's value
is repeated in one, as both may hold a secret.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from doctor import page as pages
from doctor.asking import Failure
from doctor.asking import skewed as is_skewed
from doctor.walk import Verdict, broken, fine
from telemetry.doctor import task
from telemetry.tasks.facts import UNREGISTERED

if TYPE_CHECKING:
    from pathlib import Path

    from doctor.pushing import Answer, Receiver
    from telemetry.settings import Settings

App: TypeAlias = Any


def enabled(wanted: Settings) -> Verdict:
    """Whether the environment lets anything be exported."""
    if wanted.enabled:
        return fine(f"metrics go to {wanted.collector} by {wanted.protocol}")
    return broken(
        "the environment turns the export of metrics off",
        "unset OTEL_SDK_DISABLED, and OTEL_METRICS_EXPORTER or set it to otlp",
    )


def no_exporter(error: str) -> Verdict:
    """The SDK's exporter cannot be made, for a reason that settings do not know."""
    return broken(
        f"the SDK's exporter cannot be made ({error})",
        "correct the OTEL_EXPORTER_OTLP_* variables: COMPRESSION is gzip, deflate or none, and the "
        "files of certificates exist",
    )


def app(found: App, name: str) -> Verdict:
    """Whether tasks of this app get to workers at all."""
    if found.conf.task_always_eager:
        return broken(
            "task_always_eager is on: tasks run where they are called, and no worker sees them",
            "turn it off outside of unit tests",
        )
    return fine(f"{name} can be imported")


def instrument(*, known: bool, by_command: bool) -> Verdict:
    """Whether importing the app, or what started this process, has it watched."""
    if known:
        return fine("importing the app calls instrument(app)")
    if by_command:
        return fine("opentelemetry-instrument has it watched when a worker begins")
    return broken(
        "the app was imported, and instrument(app) was not called for it",
        "call it right after the app is made, in its module: in a signal such as "
        "worker_process_init, after the fork, it comes too late for the worker itself. Where "
        "workers are started by opentelemetry-instrument, start the doctor by it, too",
    )


def state(path: Path | None) -> Verdict:
    """Whether workers can write what has to outlive them: something is written and removed."""
    if path is None:
        return fine("PORTLESS_STATE_DIR is unset: nothing outlives a worker")
    there = next(one for one in (path, *path.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return broken(
            f"PORTLESS_STATE_DIR cannot be written ({there}: {error.strerror})",
            f"make {there} a directory that the workers' user may write",
        )
    who = f"user {os.geteuid()}" if hasattr(os, "geteuid") else "this user"
    return fine(f"{path} can be written by {who}")


def broker(error: str | None, *, in_memory: bool = False) -> Verdict:
    """`error` is the class of one, whose text may hold a password."""
    if in_memory:
        return broken(
            "the broker is memory://: messages do not leave the process that sends them",
            "set broker_url, or broker of Celery(…)",
        )
    if error is None:
        return fine("the broker answers, and was asked for the queue")
    return broken(
        f"the broker cannot be used ({error})",
        "correct broker_url of the app, and see that the broker runs and lets this user in",
    )


def skewed(seconds: float, where: str) -> Verdict:
    """The collector's clock is not this machine's."""
    return broken(
        f"the clock of {where} is {seconds:+.0f} s from this machine's",
        "let both keep time by NTP: queue waits and ages are wrong by as much",
    )


_PORTS = "its OTLP port is 4318 for http/protobuf and 4317 for grpc"
_TODO = {
    Failure.ADDRESS: "write OTEL_EXPORTER_OTLP_ENDPOINT as http://HOST:4318, and "
    "OTEL_EXPORTER_OTLP_HEADERS as key=value with commas between",
    Failure.NAME: "correct OTEL_EXPORTER_OTLP_ENDPOINT, or the name service of this machine",
    Failure.REFUSED: f"start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT; {_PORTS}",
    Failure.TIMEOUT: "look for a firewall or NetworkPolicy on the way, or an overloaded collector",
    Failure.NO_TLS: "write http:// in OTEL_EXPORTER_OTLP_ENDPOINT, or give the receiver tls",
    Failure.WANTS_TLS: "write https:// in OTEL_EXPORTER_OTLP_ENDPOINT",
    Failure.UNTRUSTED: "set OTEL_EXPORTER_OTLP_CERTIFICATE to its authority's file, and write the "
    "name that the certificate has in OTEL_EXPORTER_OTLP_ENDPOINT",
    Failure.CERTIFICATE: "correct OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY",
    Failure.CLIENT: "set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY",
    Failure.PROXY: "put the collector's host into NO_PROXY, for workers as well",
    Failure.PROTOCOL: "use port 4318 with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, 4317 with "
    "grpc, and https:// where the receiver has tls",
    Failure.LIBRARY: "pip install 'portless[grpc]', or unset OTEL_EXPORTER_OTLP_PROTOCOL",
}


def receiver(answer: Answer, to: Receiver) -> Verdict:
    """Whether the collector took a push of this machine's."""
    where, status = to.where, answer.status
    if answer.failure is Failure.REFUSED:
        return broken(f"nothing listens at {where}", _TODO[answer.failure])
    if answer.failure:
        return broken(f"no push gets to {where}: {answer.failure.value}", _TODO[answer.failure])
    if status in {401, 403}:
        shown = "what OTEL_EXPORTER_OTLP_HEADERS says is not what it expects"
        return broken(
            f"{where} asks who is there, and refused ({status})"
            + (f": {shown}" if to.shows_login else ": no header was sent"),
            "set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN, for workers as well",
        )
    if status == 404 or not answer.is_otlp:
        return broken(
            f"{where} takes no OTLP metrics, though it answers ({status}): this is another port",
            "set OTEL_EXPORTER_OTLP_ENDPOINT to the receiver's port, 4318 for http/protobuf and "
            "4317 for grpc, without a path",
        )
    if 300 <= status < 400:
        return broken(
            f"{where} sends elsewhere ({status}): a login page, or a balancer without a backend",
            "set OTEL_EXPORTER_OTLP_ENDPOINT to the collector itself",
        )
    if status != 200:
        return broken(
            f"{where} refused the push ({status})",
            "look into the collector's log; 503 is its memory_limiter or a state directory that "
            "cannot be written, 413 its body limit",
        )
    if answer.rejected:
        return broken(
            f"{where} took the push and refused {answer.rejected} of its points",
            "see which reason grows in portless_refused_points of the collector's own "
            "metrics; stream_limit wants a larger --max-streams",
        )
    if is_skewed(answer.skew_seconds):
        return skewed(answer.skew_seconds or 0.0, where)
    return fine(f"{where} took a marked push")


class Counts(NamedTuple):
    """What a page counts of the marked task, and of the queue that it went to."""

    ends: Counter[str]
    """By outcome."""
    unregistered: float
    """Messages, of whatever task, that a worker did not know."""
    received: float
    """Of the marked task."""
    all_received: float
    """Of all tasks."""
    each: dict[tuple[str, tuple[tuple[str, str], ...]], float]
    """By name and labels, to see how each has grown: one that vanishes takes nothing away."""

    @classmethod
    def of(cls, text: str) -> Counts:
        """Read a page."""
        each = {}
        for name in (*_ENDS, "received", "discarded"):
            ends = (f"celery_task_{name}_total", f"celery_task_{name}")
            for labels, value in pages.samples(text, partial(_ends_with, ends)):
                each[name, tuple(sorted(labels.items()))] = value
        return cls(Counter(), 0.0, 0.0, 0.0, each)

    def since(self, before: Counts) -> Counts:
        """What has come since an earlier page."""
        ends: Counter[str] = Counter()
        unregistered = received = all_received = 0.0
        for (name, labels), value in self.each.items():
            rose = value - before.each.get((name, labels), 0.0)
            about = dict(labels).get("task_name")
            if rose <= 0:
                continue
            if name in _ENDS and about == task.NAME:
                ends[name] += 1
            elif name == "discarded" and about == UNREGISTERED:
                unregistered += rose
            elif name == "received":
                all_received += rose
                received += rose if about == task.NAME else 0.0
        return Counts(ends, unregistered, received, all_received, self.each)

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return bool(self.ends)


def _ends_with(ends: tuple[str, ...], name: str) -> bool:
    """Whether a name is one of ours, behind whatever namespace an exporter puts before it."""
    return name.endswith(ends)


_ENDS = ("success", "failed", "retried", "ignored", "rejected", "revoked", "lost")


def worker(rose: Counts, left: int | None, queue: str, seconds: float) -> Verdict:
    """Whether the marked task was run and counted; `left` is what waits in its queue."""
    if rose.ends["success"]:
        return fine(f"a worker ran the marked task, and its count came after {seconds:.0f} s")
    if rose.ends["revoked"]:
        return broken(
            "a worker took the marked task for expired, and threw it away: its clock is ahead of "
            "this machine's, or it is far behind with its work",
            "let both keep time by NTP, or give the doctor a longer --wait",
        )
    if rose.ends:
        how = ", ".join(sorted(rose.ends))
        what = f"a worker ran the marked task, which does nothing, and counted it as {how}"
        return broken(what, "see the worker's log: its pool loses or refuses tasks")
    if rose.received:
        return broken(
            "a worker took the marked task, and has not run it: its pool is busy",
            "see celery_worker_tasks_active and celery_worker_tasks_reserved; start more workers, "
            "or give the doctor a longer --wait",
        )
    if left and rose.all_received:
        return broken(
            f"the marked task still waits in the queue {queue!r}, one of {left}, while workers "
            "take others",
            "start more workers, or give the doctor a longer --wait",
        )
    if left:
        return broken(
            f"no worker took a message from the queue {queue!r} in {seconds:.0f} s: {left} waiting",
            f"start a worker with -Q {queue}, or name the queue that yours consume by --queue; "
            "where celery_worker_tasks_active says that pools are busy, give a longer --wait",
        )
    if rose.unregistered:
        return broken(
            f"a worker took the marked task from the queue {queue!r} and did not know it: its app "
            "is another one, or calls instrument(app) too late",
            "call instrument(app) in the module that workers are started with, and restart them",
        )
    return broken(
        f"the marked task left the queue {queue!r}, and no count of it came to the collector",
        "give workers the OTEL_* variables of this shell, without OTEL_SDK_DISABLED and "
        "OTEL_METRICS_EXPORTER=none, and the app that calls instrument(app); restart them, and see "
        "their log for 'the collector at'",
    )
