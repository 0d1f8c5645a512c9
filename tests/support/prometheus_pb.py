"""Prometheus's protobuf messages, declared here by their public field numbers, to read a page with.

https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint32  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "io.prometheus.client"
TYPES = ("COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM")
MESSAGES = {
    "LabelPair": "1 string name, 2 string value",
    "Timestamp": "1 int64 seconds, 2 int32 nanos",
    "Exemplar": "1 LabelPair* label, 2 double value, 3 Timestamp timestamp",
    "Gauge": "1 double value",
    "Counter": "1 double value, 2 Exemplar exemplar, 3 Timestamp created_timestamp",
    "Quantile": "1 double quantile, 2 double value",
    "Summary": "1 uint64 sample_count, 2 double sample_sum, 3 Quantile* quantile,"
    "4 Timestamp created_timestamp",
    "Bucket": "1 uint64 cumulative_count, 2 double upper_bound, 3 Exemplar exemplar",
    "BucketSpan": "1 sint32 offset, 2 uint32 length",
    "Histogram": "1 uint64 sample_count, 2 double sample_sum, 3 Bucket* bucket, 5 sint32 schema,"
    "6 double zero_threshold, 7 uint64 zero_count, 9 BucketSpan* negative_span,"
    "10 sint64* negative_delta, 12 BucketSpan* positive_span, 13 sint64* positive_delta,"
    "15 Timestamp created_timestamp, 16 Exemplar* exemplars",
    "Metric": "1 LabelPair* label, 2 Gauge gauge, 3 Counter counter, 4 Summary summary,"
    "6 int64 timestamp_ms, 7 Histogram histogram",
    "MetricFamily": "1 string name, 2 string help, 3 MetricType type, 4 Metric* metric",
}


def _declared() -> Any:
    """The class of MetricFamily."""
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=PACKAGE)
    kinds = file.enum_type.add(name="MetricType")
    for number, name in enumerate(TYPES):
        kinds.value.add(name=name, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for told in fields.split(","):
            number, kind, own = told.split()
            field = message.field.add(name=own, number=int(number))
            field.label = field.LABEL_REPEATED if kind[-1] == "*" else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in MESSAGES or kind == "MetricType":
                field.type = field.TYPE_MESSAGE if kind in MESSAGES else field.TYPE_ENUM
                field.type_name = f".{PACKAGE}.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.MetricFamily"))


MetricFamily = _declared()


def families(page: bytes) -> Iterator[Any]:
    """Read a page of delimited messages; nothing in it may be unknown."""
    at = 0
    while at < len(page):
        size, at = _DecodeVarint32(page, at)
        family = MetricFamily.FromString(page[at : at + size])
        assert family.ByteSize() == size or family.SerializeToString() == page[at : at + size]
        yield family
        at += size
