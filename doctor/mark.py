"""The mark: one gauge that says when it was pushed, with the labels of tasks and a tenant.

Comes in: who pushes. Goes out: the request, the mark's sample on a page, and a verdict on what
rules left of it. It is found by its value, which is a moment, as rules may take every label away.
Its name is one of ours, for rules that let nothing else through, and ends like those of which the
largest counts where several meet. It is gone from the page when `metric_expiration` is over.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from doctor import page
from doctor.walk import Verdict, broken, fine

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from doctor.page import Sample

NAME = "celery.telemetry.doctor.timestamp"
EXPOSED = "celery_telemetry_doctor_timestamp_seconds"
VALUE = "portless.doctor"
"""Of its labels."""
NEEDED = ("task_name", "queue_name")
"""Without these, tasks cannot be told apart."""
LABELS = (
    *("check", "exception", "hostname", "queue_name", "reason", "schedule", "stage", "state"),
    "task_name",
)
"""All that metrics of workers carry."""
TENANT = "tenant_id"
PATTERN = r"(.+[_.])?celery[_.]telemetry[_.]doctor[_.]timestamp([_.]seconds)?"
"""Its name under every namespace and strategy of translation that an exporter can have."""
_FITS = re.compile(PATTERN)
_TOLERANCE_SECONDS = 0.0005


class Mark(NamedTuple):
    """What tells this walk's mark from others."""

    resource: Mapping[str, str]
    """Who pushes; `service.name` and `service.instance.id` are there."""
    tenant: str
    """A value that must not come out anywhere."""
    value: float
    """Seconds since 1970, to the millisecond: a double holds them."""

    @property
    def jobs(self) -> tuple[str, ...]:
        """The label `job` that it can come to, with its namespace and without."""
        name, space = self.resource["service.name"], self.resource.get("service.namespace")
        return (f"{space}/{name}", name) if space else (name,)

    def among(self, samples: Iterable[Sample]) -> Sample | None:
        """Find it: this mark, or one that the same instance pushed after it."""
        same = (self.resource["service.instance.id"], None)
        later = None
        for sample in samples:
            if abs(sample.value - self.value) < _TOLERANCE_SECONDS:
                return sample
            # Prometheus calls it otherwise where its own label stands in the place.
            instance = sample.labels.get("exported_instance", sample.labels.get("instance"))
            if sample.value > self.value and instance in same:
                later = sample
        return later

    def on(self, text: str) -> Sample | None:
        """Find it on a page."""
        return self.among(page.samples(text, _FITS.fullmatch))


def mark(resource: Mapping[str, str]) -> Mark:
    """A new one, of this moment."""
    return Mark(resource, f"doctor-{uuid4().hex}", round(time.time(), 3))


def request(own: Mark, keys: Collection[str] = ()) -> ExportMetricsServiceRequest:
    """The push; `keys` are attributes beside those of tasks' metrics."""
    made = ExportMetricsServiceRequest()
    outer = made.resource_metrics.add()
    for key, value in own.resource.items():
        outer.resource.attributes.add(key=key).value.string_value = value
    inner = outer.scope_metrics.add()
    inner.scope.name = "portless"
    metric = inner.metrics.add(name=NAME, unit="s", description="When a doctor pushed its mark.")
    point = metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_double=own.value)
    for key, value in _attributes(own, keys).items():
        point.attributes.add(key=key).value.string_value = value
    return made


def _attributes(own: Mark, keys: Collection[str]) -> Mapping[str, str]:
    return {**dict.fromkeys([*LABELS, *keys], VALUE), TENANT: own.tenant}


def verdict(own: Mark, text: str, keys: Collection[str] = ()) -> Verdict:
    """What the rules left of the mark, on the last page that was read."""
    if own.tenant in text:
        return broken(
            f"the mark's {TENANT} is on the exposed page",
            f"take {TENANT} out of the lists of otel-collector.yaml; `portless-collector leaks` "
            "says by which way it gets through",
        )
    sample = own.on(text)
    if sample is None and page.is_of_the_collector_itself(text):
        return broken(
            "the page tells of the collector itself, and not of what was pushed",
            "give --metrics-url the address of exporters::prometheus, 9464 by default, and not "
            "that of service::telemetry",
        )
    if sample is None:
        return broken(
            "the marked push was taken, and the mark is not on the exposed page",
            f"see which rule drops it: `portless-collector explain --kind gauge {NAME}`; or the "
            "page is another collector's; or batch or interval hold it back for longer than --wait",
        )
    return _labels(own, sample, keys)


def _labels(own: Mark, sample: Sample, keys: Collection[str]) -> Verdict:
    lost = [key for key in NEEDED if key not in sample.labels]
    if lost:
        return broken(
            f"the rules take {' and '.join(lost)} away: tasks cannot be told apart",
            "add it to label_set of metrics_transform and to allowed_keys of redaction in "
            "otel-collector.yaml; `portless-collector explain` says which rule takes it",
        )
    changed = [key for key in NEEDED if sample.labels[key] != VALUE]
    if changed:
        return broken(
            f"the rules put something else into {' and '.join(changed)}",
            "see blocked_values of redaction, and other processors that write attributes",
        )
    if sample.labels.get("job", own.jobs[0]) not in own.jobs:
        return broken(
            "the rules put another job in the place of the service.name that was pushed",
            "see processors that write service.name or service.namespace",
        )
    gone = [key for key in (*LABELS, *keys, "job", "instance") if key not in sample.labels]
    rest = f"; without {', '.join(gone)}, which the rules take away" if gone else ""
    return fine(f"the mark is exposed with its task and queue, and no tenant{rest}")
