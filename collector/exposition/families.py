"""Which names are taken on a page: by families of which type, with which help and label sets.

A family lives while it has a series. Its first series fixes type and help; a later one of another
type, a second one with the same labels, or a family that would write under names which another one
writes, would make a page that no parser reads as it is meant, and is refused. No numbers, no text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.errors import Reason, Untranslatable
from collector.model import Type

if TYPE_CHECKING:
    from collector.exposition.alphabet import Labels
    from collector.model import Series

SUFFIXES = {
    Type.HISTOGRAM: ("_bucket", "_count", "_sum"),
    Type.SUMMARY: ("_count", "_sum"),
}
"""What distributions write under, behind their name."""


@dataclass
class Family:
    """A name with its type and help, and the label sets that live under it."""

    name: str
    """As in text format 0.0.4."""
    type: Type
    help: str
    labels: set[Labels] = field(default_factory=set)


class Families:
    """The families of one page."""

    def __init__(self, reserved: str, *, open_metrics: bool) -> None:
        """`reserved` is a name that no series can have; OpenMetrics takes more names than text."""
        self._open_metrics = open_metrics
        self._families: dict[str, Family] = {}
        self._claims = {reserved: reserved}

    def enter(self, series: Series) -> Family:
        """Give a series its family; raises Untranslatable where there is no room for it."""
        family = self._families.get(series.family)
        if family is None:
            family = self._new(series)
        elif family.type is not series.type:
            raise Untranslatable(Reason.TYPE_CONFLICT)
        elif series.labels in family.labels:
            raise Untranslatable(Reason.DUPLICATE_SERIES)
        family.labels.add(series.labels)
        return family

    def leave(self, series: Series) -> None:
        """Take a series out; its family's name is free with the last one."""
        family = self._families[series.family]
        family.labels.remove(series.labels)
        if not family.labels:
            del self._families[family.name]
            for name in self._names(family.name, family.type):
                del self._claims[name]

    def _new(self, series: Series) -> Family:
        names = self._names(series.family, series.type)
        if any(name in self._claims for name in names):
            raise Untranslatable(Reason.NAME_COLLISION)
        self._claims.update(dict.fromkeys(names, series.family))
        self._families[series.family] = Family(series.family, series.type, series.help)
        return self._families[series.family]

    def _names(self, name: str, type_: Type) -> set[str]:
        """Return every name under which a family stands in one of the formats on offer.

        OpenMetrics declares a counter without `_total`, and keeps `_created` for the time since
        when it and distributions count (https://prometheus.io/docs/specs/om/open_metrics_spec).
        """
        names = {name} | {name + suffix for suffix in SUFFIXES.get(type_, ())}
        if self._open_metrics and type_ is not Type.GAUGE:
            base = name.removesuffix("_total") if type_ is Type.COUNTER else name
            names |= {base, f"{base}_created"}
        return names
