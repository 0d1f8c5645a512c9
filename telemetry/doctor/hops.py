"""What a probe found -> a verdict on one hop, with the fix. Nothing here looks at anything itself.

Comes in: answers, pages, samples as values. Goes out: a `Hop`. No header and no label's value is
repeated in a verdict, as both may hold a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SKEW_SECONDS_MAX = 30.0
"""Half of the shortest scrape interval in common use: beyond, rates and ages begin to be wrong."""
MARK = "portless.doctor.mark"
EXPOSED = "portless_doctor_mark"
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Hop(NamedTuple):
    """One stage of the way, and what is known of it."""

    name: str
    ok: bool | None
    """None: it was not looked at."""
    what: str
    todo: str = ""


class Answer(NamedTuple):
    """What came back from the receiver; `status` 0 where nothing did."""

    status: int
    error: str = ""
    """The kind of failure: a key of `_NO_ANSWER`."""
    skew_seconds: float | None = None
    """By how much the receiver's clock is ahead."""
    rejected: int = 0
    """Points that a partial success names."""


class Sample(NamedTuple):
    """A line of an exposition."""

    labels: Mapping[str, str]
    value: float


def samples(page: str, name: str) -> list[Sample]:
    """The lines of one name in a text exposition."""
    found = []
    for line in page.splitlines():
        head, brace, rest = line.partition("{")
        if brace and head == name:
            labels, _, number = rest.rpartition("} ")
            found.append(Sample(dict(_LABEL.findall(labels)), float(number.split()[0])))
    return found


def receiver(answer: Answer, where: str) -> Hop:
    """Whether the collector took a push of this machine's."""
    if answer.status == 0:
        return Hop("receiver", ok=False, **_NO_ANSWER[answer.error](where))
    if answer.status in {401, 403}:
        return Hop(
            "receiver",
            ok=False,
            what=f"{where} asks who is there, and refused ({answer.status})",
            todo="set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN, for workers as well",
        )
    if answer.status == 404:
        return Hop(
            "receiver",
            ok=False,
            what=f"{where} speaks HTTP and takes no OTLP metrics (404): this is another port",
            todo="set OTEL_EXPORTER_OTLP_ENDPOINT to the receiver's http port, 4318 by default",
        )
    if answer.status >= 300:
        return Hop(
            "receiver",
            ok=False,
            what=f"{where} refused the push ({answer.status})",
            todo="look into the collector's log; 503 is its memory_limiter, 413 its body limit",
        )
    if answer.rejected:
        return Hop(
            "receiver",
            ok=False,
            what=f"{where} took the push and refused {answer.rejected} of its points",
            todo="see which reason grows in portless_refused_points_total of the collector's own "
            "metrics; stream_limit wants a larger --max-streams",
        )
    if answer.skew_seconds is not None and abs(answer.skew_seconds) > SKEW_SECONDS_MAX:
        return Hop(
            "receiver",
            ok=False,
            what=f"the clock of {where} is {answer.skew_seconds:+.0f} s from this machine's",
            todo="let both keep time by NTP: queue waits and ages are wrong by as much",
        )
    return Hop("receiver", ok=True, what=f"{where} took a marked push")


_NO_ANSWER = {
    "address": lambda where: {
        "what": f"nothing can be sent to {where}: the address or a header is malformed",
        "todo": "write OTEL_EXPORTER_OTLP_ENDPOINT as http://HOST:4318, and "
        "OTEL_EXPORTER_OTLP_HEADERS as key=value with commas between",
    },
    "refused": lambda where: {
        "what": f"nothing listens at {where}",
        "todo": "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT; its OTLP port is "
        "4318 for http/protobuf and 4317 for grpc",
    },
    "timeout": lambda where: {
        "what": f"{where} does not answer in time",
        "todo": "look for a firewall or NetworkPolicy on the way, or an overloaded collector",
    },
    "tls": lambda where: {
        "what": f"{where} does not speak TLS as https asks for, or its certificate is not trusted",
        "todo": "write http:// where the receiver has no tls, or set "
        "OTEL_EXPORTER_OTLP_CERTIFICATE to its authority's file",
    },
    "protocol": lambda where: {
        "what": f"{where} answers, but not in the protocol it is spoken to: as where http/protobuf "
        "comes to a gRPC port, grpc to an HTTP one, or http to one with TLS",
        "todo": "use port 4318 with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, 4317 with grpc, and "
        "https:// where the receiver has tls",
    },
}


def redactor(shown: Sequence[Sample], *, leaked: bool) -> Hop:
    """Whether the rules let the mark through with the labels of tasks, and without its tenant."""
    if leaked:
        return Hop(
            "redactor",
            ok=False,
            what="the mark's tenant_id is on the exposed page",
            todo="take tenant_id out of the lists of otel-collector.yaml; "
            "`portless-collector leaks` says where it gets through",
        )
    if not shown:
        return Hop(
            "redactor",
            ok=False,
            what="the marked push was taken and its metric is not on the exposed page",
            todo=f"see which rule drops it: `portless-collector explain {MARK}`; or --metrics-url "
            "is another collector's page",
        )
    lost = [key for key in ("task_name", "queue_name") if key not in shown[0].labels]
    if lost:
        return Hop(
            "redactor",
            ok=False,
            what=f"the rules take {' and '.join(lost)} away: tasks cannot be told apart",
            todo="add it to label_set of metrics_transform and to allowed_keys of redaction in "
            "otel-collector.yaml",
        )
    return Hop("redactor", ok=True, what="the mark is exposed with its task, and no tenant")


def worker(ran: float, waiting: int | None, queue: str) -> Hop:
    """Whether the marked task was run and counted: `ran` is by how much its counter rose."""
    if ran:
        return Hop("worker", ok=True, what="a worker ran the marked task, and its count arrived")
    if waiting:
        return Hop(
            "worker",
            ok=False,
            what=f"no worker takes messages from the queue {queue!r}: {waiting} are waiting",
            todo=f"start a worker with -Q {queue}, or name the queue that yours consume by --queue",
        )
    return Hop(
        "worker",
        ok=False,
        what=f"the marked task left the queue {queue!r}, and no count of it came to the collector",
        todo="give workers the OTEL_* variables of this shell, without OTEL_SDK_DISABLED and "
        "OTEL_METRICS_EXPORTER=none, restart them, and see their log for 'the collector at'",
    )


def scrape(found: Sequence[Mapping[str, str]], job: str) -> Hop:
    """Whether Prometheus has the mark, under the names that it was pushed with."""
    if not found:
        return Hop(
            "prometheus",
            ok=False,
            what="Prometheus has not scraped the mark",
            todo="add the collector's address to a scrape job, and see Prometheus' page of targets",
        )
    if any("exported_instance" in labels or "exported_job" in labels for labels in found):
        return Hop(
            "prometheus",
            ok=False,
            what="Prometheus has put its own job and instance over the workers'",
            todo="set honor_labels: true in the scrape job of the collector",
        )
    if all(labels.get("job") != job for labels in found):
        return Hop(
            "prometheus",
            ok=False,
            what="the job in Prometheus is not the service.name that was pushed",
            todo="remove the relabelling of `job`, and set honor_labels: true",
        )
    return Hop("prometheus", ok=True, what="Prometheus has the mark under its own job and instance")
