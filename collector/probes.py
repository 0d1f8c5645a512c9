"""Streams that carry a mark in one place, to see where rules and exporters let it through.

In: where the mark is to be. Out: streams of every kind. Rules are run on them and not read, so that
whatever rules there are, what is said about them is what they do. No numbers, no files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.model import Kind, Scope, Stream, Temporality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "zzmarkzz"
"""A value that no configuration holds, and that no translation of names changes."""
KEY = "unnamed_key"
"""A key that nobody named."""
NAME = "a.metric"
IDENTITY = (("service.instance.id", "i"), ("service.name", "s"))

PLACES: dict[str, Callable[[Stream], Stream]] = {
    "an attribute of points": lambda s: replace(s, attributes=((KEY, MARK),)),
    "an attribute of the resource": lambda s: replace(
        s, resource=tuple(sorted((*IDENTITY, (KEY, MARK))))
    ),
    "an attribute of the scope": lambda s: replace(
        s, scope=s.scope._replace(attributes=((KEY, MARK),))
    ),
}
"""Attributes that no rule names, by where they stand."""
TEXTS: dict[str, Callable[[Stream], Stream]] = {
    "the name of the scope": lambda s: replace(s, scope=s.scope._replace(name=MARK)),
    "the version of the scope": lambda s: replace(s, scope=s.scope._replace(version=MARK)),
    "the schema URL of the scope": lambda s: replace(s, scope=s.scope._replace(schema_url=MARK)),
    "the description of metrics": lambda s: replace(s, description=MARK),
    "the name of metrics": lambda s: replace(s, name=f"{s.name}.{MARK}"),
    "the unit of metrics": lambda s: replace(s, unit=MARK),
}
"""What a program's own text is, which may hold anything."""


def bare(name: str, kind: Kind) -> Stream:
    """Return a stream that has a job and an instance and nothing else."""
    gauge = kind is Kind.GAUGE
    temporality = Temporality.NONE if gauge else Temporality.CUMULATIVE
    return Stream(IDENTITY, Scope(), name, "", kind, temporality, ())


def marked(place: Callable[[Stream], Stream], names: tuple[str, ...]) -> Iterator[Stream]:
    """Yield streams of every kind and name with a mark in a place."""
    for name in names:
        for kind in Kind:
            yield place(bare(name, kind))
