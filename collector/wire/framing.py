"""Request bytes -> metrics in their frames: where each begins, and the bytes that stand around it.

Two metrics in equal bytes have equal contexts, so a context is read once for all of them. What the
bytes of a metric itself say is not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collector.model import Attributes, Scope
from collector.wire.scan import LENGTH, Unusual, fields
from collector.wire.values import DuplicateKey, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator


class Context(NamedTuple):
    """What stands around a metric."""

    resource: Attributes | None
    """None where a key stands there twice."""
    scope: Scope | None


Framed = tuple[bytes, bytes, int, int]
"""The bytes around a metric (of its resource, of its scope) and where its own begin and end."""


def frames(body: bytes, *, strict: bool = False) -> Iterator[Framed]:
    """Yield each metric with the bytes around it.

    Those bytes are all fields of ResourceMetrics but the scopes, and all fields of ScopeMetrics but
    the metrics: two metrics with equal ones have equal contexts. `strict` raises Unusual where some
    byte of the body would be in none of what is yielded.
    """
    for number, wire_type, start, stop in fields(body, 0, len(body)):
        if number != 1 or wire_type != LENGTH:
            if strict:
                raise Unusual
            continue
        outer, scopes = _split(body, start, stop)
        if strict and not scopes:
            raise Unusual
        for scope_start, scope_stop in scopes:
            inner, metrics = _split(body, scope_start, scope_stop)
            if strict and not metrics:
                raise Unusual
            for at, end in metrics:
                yield outer, inner, at, end


def context_of(outer: bytes, inner: bytes) -> Context:
    """Read what stands around a metric from the bytes of its resource and of its scope."""
    return Context(_resource(outer), _scope(inner))


def _split(body: bytes, at: int, end: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Part the children (field 2) of ResourceMetrics or ScopeMetrics from the bytes around them."""
    children = []
    around = b""
    done = at
    for number, wire_type, start, stop in fields(body, at, end):
        if number == 2 and wire_type == LENGTH:
            children.append((start, stop))
        else:
            around += body[done:stop]
        done = stop
    return around, children


def _resource(around: bytes) -> Attributes | None:
    """Read the resource's attributes from the bytes around its scopes."""
    resource = _only(around, 1)
    if resource is None:
        return ()
    ranges = [(a, b) for n, w, a, b in fields(around, *resource) if n == 1 and w == LENGTH]
    try:
        return attributes(around, ranges)
    except DuplicateKey:
        return None


def _scope(around: bytes) -> Scope | None:
    """Read the scope from the bytes around its metrics."""
    schema = _only(around, 3, last=True)
    schema_url = around[slice(*schema)].decode() if schema else ""
    scope = _only(around, 1)
    if scope is None:
        return Scope("", "", schema_url)
    texts = {1: "", 2: ""}
    ranges = []
    for number, wire_type, start, stop in fields(around, *scope):
        if wire_type != LENGTH:
            continue
        if number in texts:
            texts[number] = around[start:stop].decode()
        elif number == 3:
            ranges.append((start, stop))
    try:
        return Scope(texts[1], texts[2], schema_url, attributes(around, ranges))
    except DuplicateKey:
        return None


def _only(around: bytes, field: int, *, last: bool = False) -> tuple[int, int] | None:
    """Find a field that stands at most once, or the last of several where the last wins."""
    found = [(a, b) for n, w, a, b in fields(around, 0, len(around)) if n == field and w == LENGTH]
    if len(found) > 1 and not last:
        raise Unusual  # messages that stand twice are merged
    return found[-1] if found else None
