"""Streams for tests of rules: short to write, valid, different only where a test says so."""

from __future__ import annotations

from collector.model import Kind, Merge, Scope, Stream, Temporality


def stream(
    name: str = "celery.task.started",
    attributes: str = "",
    *,
    resource: str = "",
    scope: str = "",
    kind: Kind = Kind.COUNTER,
    merge: Merge | None = None,
) -> Stream:
    """Return a stream; attributes are written `key=value key=value`."""
    return Stream(
        resource=_attributes(resource),
        scope=Scope("a.scope", "1.0", "", _attributes(scope)),
        name=name,
        unit="{task}",
        kind=kind,
        temporality=Temporality.NONE if kind is Kind.GAUGE else Temporality.CUMULATIVE,
        attributes=_attributes(attributes),
        merge=merge,
    )


def _attributes(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.partition("=") for pair in text.split())
    return tuple(sorted((key, value) for key, _, value in pairs))
