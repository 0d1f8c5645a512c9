"""The `redaction` processor: attributes that are not allowed are deleted.

In: its section. Out: a rule that keeps the allowed keys of a stream's resource, scope and point.
Streams that become equal are one series, whose sum stays exact. It knows no number, no time and no
other processor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.otelcol import CAN_RUN_IT, NOT_HERE
from collector.rule import Processor

if TYPE_CHECKING:
    from collections.abc import Collection

    from collector.fields.section import Section
    from collector.model import Attributes, Stream
    from collector.rule import Rewrite


def read(section: Section) -> Processor:
    """Read the processor's settings; without `allowed_keys` every attribute goes.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/redactionprocessor
    """
    if section.flag("allow_all_keys"):
        section.mistake("allow_all_keys", f"true is {NOT_HERE}", CAN_RUN_IT)
    section.only("redact_all_types", value=False)
    # `info` and `debug` write redaction.* attributes on every point, which become labels.
    section.choice("summary", ("silent", ""), "", elsewhere=("info", "debug"))
    section.elsewhere(
        "allowed_values",
        "blocked_key_patterns",
        "blocked_values",
        "db_sanitizer",
        "hash_function",
        "hmac_key",
        "ignored_key_patterns",
        "ignored_keys",
        "url_sanitizer",
    )
    return Processor(keep(frozenset(section.words("allowed_keys"))))


def keep(allowed: Collection[str]) -> Rewrite:
    """Delete every attribute whose key is not, letter by letter, in `allowed`.

    The Collector lets the keys of its own summary (`redaction.redacted.keys` and four more) through
    as well, whoever sent them; here they are keys like all others.
    """

    def kept(attributes: Attributes) -> Attributes:
        return tuple(pair for pair in attributes if pair[0] in allowed)

    def rewrite(stream: Stream) -> Stream:
        scope = stream.scope._replace(attributes=kept(stream.scope.attributes))
        resource, attributes = kept(stream.resource), kept(stream.attributes)
        return replace(stream, resource=resource, scope=scope, attributes=attributes)

    return rewrite
