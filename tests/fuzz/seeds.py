"""`python -m tests.fuzz.seeds` writes the seeds of the corpus: short inputs of every kind.

They come from golden cases, from the configurations in the repository, from an export of the
OpenTelemetry SDK, and from the lists below. Bytes that a library packs or an SDK writes may be
others with another version of it: what is checked in counts.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from collector.errors import Malformed
from collector.journal.frames import MAGIC, head
from collector.keeper import REQUEST
from collector.wire.otlp_json import to_protobuf
from tests.collector.serving import request
from tests.conformance.cases import HERE, ROOT
from tests.fuzz.run import CORPUS
from tests.fuzz.targets.packed import ENCODINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BODY_BYTES_MAX = 4096
"""Of a golden case's request: small inputs are changed where it matters."""
CASES_OF_BODIES = ("00", "10", "12", "30", "31")
CASES_OF_CONFIGURATIONS = ("20", "21", "22", "23", "25", "33", "90")
"""How the names of the cases begin from whose first stage, or whose configuration, one is taken."""

STATEMENTS = (
    'keep_keys(attributes, ["task_name", "queue"])',
    'delete_key(attributes, "tenant_id") where metric.name == "celery.task.started"',
    'delete_matching_keys(attributes, "^tenant.*$") where IsMatch(metric.name, "^celery[.]")',
    'set(attributes["a"], Concat([attributes["queue"], "x", 5, true], "-"))',
    'replace_pattern(attributes["queue"], "^(.)(.)", "${2}y$1") where attributes["x"] == nil',
    'replace_all_patterns(attributes, "value", "\\\\d+", "n", SHA256)',
    'set(metric.name, "x") where not (metric.type == METRIC_DATA_TYPE_GAUGE and 1.5e3 >= -2)',
    "truncate_all(attributes, 10)",
    'aggregate_on_attributes("sum", ["queue"])',
    'resource.attributes["service.name"] == "x" or attributes["queue"] != "\\u00e9\\n"',
    'keep_matching_keys(resource.attributes, "^service[.]")',
    'limit(datapoint.attributes, 2, ["queue", "task_name"])',
    "set(scope.attributes[\"a\"], 'b') where scope.name != nil",
    'delete_key(instrumentation_scope.attributes, "tenant_id")',
    "metric.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA and not metric.is_monotonic",
    "set(datapoint.time, Now())",
)
HEADERS = (
    "",
    "*/*",
    "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.2,*/*;q=0.1",
    "application/openmetrics-text; version=1.0.0; charset=utf-8;escaping=dots",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    'text/html, application/*;q="0.5";;, q=nan',
    "application/openmetrics-text;version=0.0.1;q=0.5, text/plain;version=1.0.0;q=1.001",
    'text/plain; charset="utf-8; escaping=values" ;escaping=values',
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text;q=0",
    "*;q=1, text/*;q=1e-1, */plain, text/plain;version=",
)
USERS = (
    "alice:{SHA}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8\n",
    "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n# a comment\n\nbob:{PLAIN}secret\n",
    "carol:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\r\n",
    "dave:{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9hzYWx0\nerin:$apr1$salt$hash\n:x\nnobody\n",
)
HEAD = "POST /v1/metrics HTTP/1.1\r\nHost: x\r\n"
REQUESTS = (
    request("POST", "/v1/metrics", b"abc", content_type="application/x-protobuf") * 3,
    request("GET", "/metrics?a=b") + request("HEAD", "http://x/metrics") + request("POST", "/a"),
    (HEAD + "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n").encode()
    + request("POST", "/b", b"b"),
    request("POST", "/c", b"abcd", expect="100-continue", connection="keep-alive"),
    request("POST", "/d", b"x" * 30) + request("POST", "/d", b"y" * 7) + b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\nHost: x\nContent-Length: 2\n\nab" + request("POST", "/e", connection="close"),
    (HEAD + "Upgrade: h2c\r\nConnection: upgrade, HTTP2-Settings\r\n\r\n").encode(),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


def exported() -> bytes:
    """Return what the SDK sends of one instrument of each kind."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())]
    resource = Resource({"service.name": "fuzz", "service.instance.id": "1"})
    provider = MeterProvider([reader], resource, views=views, shutdown_on_exit=False)
    meter = provider.get_meter("fuzz", "1", "https://schema.test", {"scope": "s"})
    for tenant in ("acme", "bolt"):
        meter.create_counter("started", "{task}", "Tasks.").add(3, {"tenant_id": tenant})
    meter.create_up_down_counter("active").add(-1, {"n": 5, "b": True, "f": 0.5, "l": ["a", "b"]})
    meter.create_gauge("depth").set(1.5)
    meter.create_histogram("runtime", "s").record(0.25)
    for size in (0, 1, 7.5, 1e9):
        meter.create_histogram("size", "By").record(size)
    data = reader.get_metrics_data()
    provider.shutdown()
    if data is None:
        raise RuntimeError("the SDK collected nothing")
    return encode_metrics(data).SerializeToString()


def seeds() -> dict[str, list[bytes]]:
    """Return the seeds of every target, each once."""
    return {target: list(dict.fromkeys(inputs)) for target, inputs in _seeds().items()}


def _seeds() -> dict[str, list[bytes]]:
    tree = list(_of_cases("1.request.json", CASES_OF_BODIES))
    bodies = [exported(), *_converted(tree)]
    shortest = sorted(bodies, key=len)[:2]
    return {
        "accept": _encoded(HEADERS),
        "config": [
            (ROOT / "otel-collector.yaml").read_bytes(),
            *_of_cases("config.yaml", CASES_OF_CONFIGURATIONS),
        ],
        "grpc": [*bodies[:3], *bodies[-3:], b"", gzip.compress(bodies[0], mtime=0)],
        "htpasswd": _encoded(USERS),
        "http": [b"\0" + one for one in REQUESTS] + [b"\1" + one for one in REQUESTS[:4]],
        "journal": [b"\0" + _journal(bodies[:3]), *(b"\1" + body for body in bodies[:3])],
        "json": tree,
        "otlp": bodies,
        "ottl": _encoded(STATEMENTS),
        "unpack": [bytes([at]) + pack(body) for at, pack in _packers() for body in shortest],
    }


def _converted(bodies: Iterable[bytes]) -> Iterable[bytes]:
    """Return what can be converted of bodies in JSON."""
    for body in bodies:
        with suppress(Malformed):
            yield to_protobuf(body)


def _journal(bodies: Iterable[bytes]) -> bytes:
    """Return a file with these requests, the middle one damaged."""
    first, second, third = (head(REQUEST, 1.0, body) + body for body in bodies)
    return MAGIC + first + second[:-1] + b"?" + third


def _packers() -> Iterable[tuple[int, Callable[[bytes], bytes]]]:
    packers = {
        "gzip": lambda body: gzip.compress(body, mtime=0) * 2,
        "deflate": zlib.compress,
        "zlib": lambda body: zlib.compress(body, 0),
        "zstd": lambda body: zstandard.compress(body) * 2,
    }
    return [(at, packers[name]) for at, name in enumerate(ENCODINGS)]


def _encoded(texts: Iterable[str]) -> list[bytes]:
    return [text.encode() for text in texts]


def _of_cases(name: str, beginnings: Iterable[str]) -> Iterable[bytes]:
    """Return one file of the first golden cases of some kinds, the short ones."""
    for path in sorted((HERE / "cases").glob(f"*/{name}")):
        if path.parent.name.startswith(tuple(beginnings)):
            data = path.read_bytes()
            if len(data) <= BODY_BYTES_MAX:
                yield data


def main() -> None:
    """Write them in place of those that are there."""
    for target, inputs in seeds().items():
        directory = CORPUS / target
        directory.mkdir(exist_ok=True)
        for old in directory.glob("seed-*"):
            old.unlink()
        for number, data in zip(count(1), inputs):
            Path(directory / f"seed-{number:02}").write_bytes(data)


if __name__ == "__main__":
    main()
