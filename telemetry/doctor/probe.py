"""The probes: what is asked of broker, receiver, page and Prometheus, and their answers.

Comes in: addresses, settings, an app. Goes out: values for the verdicts in `hops`. Each question is
bounded in time. The OTLP push reads the environment as the SDK's exporter does, which would keep to
itself why a push failed.
"""

from __future__ import annotations

import os
import socket
from email.utils import parsedate_to_datetime
from time import time, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import requests
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.util.re import parse_env_headers

from telemetry import export, identity
from telemetry.doctor import task
from telemetry.doctor.hops import MARK, Answer
from telemetry.health.asking import channel

if TYPE_CHECKING:
    from telemetry.settings import Settings

App: TypeAlias = Any

ASK_SECONDS = 5.0
"""For each question; a collector on the way of workers answers within 2."""


class Mark(NamedTuple):
    """What tells this walk's series from all others'."""

    job: str
    instance: str
    tenant: str
    """A value that must not come out anywhere."""


def mark(tenant: str) -> Mark:
    """The mark of this process, under the job that the environment names."""
    who = identity.worker(os.environ, f"{socket.gethostname()}/doctor-{os.getpid()}")
    return Mark(who["service.name"], f"{who['service.instance.id']}", tenant)


def push(wanted: Settings, own: Mark) -> Answer:
    """Push one gauge with the labels of a task and a tenant."""
    data = _marked(own)
    if wanted.protocol == "grpc":
        taken = export.exporter(wanted).export(data) is otlp.MetricExportResult.SUCCESS
        return Answer(200) if taken else Answer(0, "protocol")
    try:
        answer = requests.post(
            _endpoint(),
            data=encode_metrics(data).SerializeToString(),
            headers={**_headers(), "Content-Type": "application/x-protobuf"},
            verify=_given("CERTIFICATE") or True,
            cert=_client_certificate(),
            timeout=ASK_SECONDS,
            allow_redirects=False,
        )
    except requests.exceptions.SSLError:
        return Answer(0, "tls")
    except requests.exceptions.Timeout:
        return Answer(0, "timeout")
    except requests.exceptions.RequestException as error:
        if isinstance(error, ValueError):  # all that requests has for addresses and headers
            return Answer(0, "address")
        return Answer(0, "protocol" if _was_open(error) else "refused")
    except OSError:  # a certificate's file that is not there
        return Answer(0, "tls")
    if answer.status_code == 200:
        said = ExportMetricsServiceResponse.FromString(answer.content)
        return Answer(200, "", _skew(answer), said.partial_success.rejected_data_points)
    return Answer(answer.status_code, "", _skew(answer))


def page(url: str) -> str | None:
    """What a Prometheus server would read there; None where nothing can be read."""
    try:
        answer = requests.get(url, timeout=ASK_SECONDS)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return None
    return answer.text


def query(prometheus_url: str, name: str) -> list[dict[str, str]] | None:
    """The label sets that Prometheus has now of a metric; None where it cannot be asked.

    https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
    """
    url = f"{prometheus_url.rstrip('/')}/api/v1/query"
    try:
        answer = requests.get(url, params={"query": name}, timeout=ASK_SECONDS)
        answer.raise_for_status()
        return [dict(one["metric"]) for one in answer.json()["data"]["result"]]
    except (requests.exceptions.RequestException, ValueError, KeyError):
        return None


def broker_error(app: App) -> str | None:
    """The class of the error at the broker, whose text may hold a password; None: it answers."""
    try:
        with channel(app, ASK_SECONDS):
            return None
    except Exception as error:  # noqa: BLE001 - whatever a broker's library raises
        return type(error).__name__


def send(app: App, queue: str, expires_seconds: float) -> None:
    """Publish the marked task; a worker that comes too late throws it away."""
    app.send_task(task.NAME, queue=queue, expires=expires_seconds, ignore_result=True, retry=False)


def waiting(app: App, queue: str) -> int | None:
    """How many messages wait in a queue; None where the broker does not say."""
    try:
        with channel(app, ASK_SECONDS) as (_, own):
            return int(own.queue_declare(queue, passive=True).message_count)
    except Exception:  # noqa: BLE001 - a queue that is not there is no reason to stop
        return None


def _given(what: str) -> str | None:
    """A variable of the exporter's, that for metrics before that for all signals.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
    """
    names = (f"OTEL_EXPORTER_OTLP_METRICS_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((value for value in map(os.environ.get, names) if value), None)


def _endpoint() -> str:
    """Only the address for all signals is one that the path is added to."""
    whole = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    return whole or f"{(_given('ENDPOINT') or 'http://localhost:4318').rstrip('/')}/v1/metrics"


def _headers() -> dict[str, str]:
    return dict(parse_env_headers(_given("HEADERS") or "", liberal=True))


def _client_certificate() -> tuple[str, str] | None:
    certificate, key = _given("CLIENT_CERTIFICATE"), _given("CLIENT_KEY")
    return (certificate, key) if certificate and key else None


def _marked(own: Mark) -> otlp.MetricsData:
    attributes = {"task_name": task.NAME, "queue_name": task.NAME, "tenant_id": own.tenant}
    point = otlp.NumberDataPoint(attributes, time_ns(), time_ns(), 1)
    metric = otlp.Metric(MARK, "A mark of portless doctor's.", "", otlp.Gauge([point]))
    scope = otlp.ScopeMetrics(InstrumentationScope("portless"), [metric], "")
    who = {"service.name": own.job, "service.instance.id": own.instance}
    resource = export.identified(export.detect(), who)
    return otlp.MetricsData([otlp.ResourceMetrics(resource, [scope], "")])


def _skew(answer: requests.Response) -> float | None:
    said = answer.headers.get("Date")
    try:
        return parsedate_to_datetime(said).timestamp() - time() if said else None
    except ValueError:
        return None


def _was_open(error: Exception) -> bool:
    """Whether something had taken the connection before it failed."""
    return "NewConnectionError" not in str(error)
