"""The collector's own numbers -> their exposition: what came in, what was refused and why.

What the OpenTelemetry Collector counts too has its name, so that its alerts work here; what only
this engine knows begins with `portless_`. It reads counters and keeps none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collector.exposition.page import Page
from collector.model import Series, Type
from collector.reading import Readings
from collector.settings import Endpoint, Prometheus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.exposition.negotiate import Format


class Sample(NamedTuple):
    """One of the collector's own numbers."""

    name: str
    type: Type
    value: float
    help: str
    labels: tuple[tuple[str, str], ...] = ()
    """Sorted by name."""


def counter(name: str, value: float, help_: str, **labels: str) -> Sample:
    """Make a sample of a number that only grows."""
    return Sample(name, Type.COUNTER, value, help_, tuple(sorted(labels.items())))


def gauge(name: str, value: float, help_: str, **labels: str) -> Sample:
    """Make a sample of a number that may fall."""
    return Sample(name, Type.GAUGE, value, help_, tuple(sorted(labels.items())))


def render(samples: Sequence[Sample], form: Format) -> bytes:
    """Write samples as a scrape asked for them."""
    page = Page(Prometheus(Endpoint("", 0)))
    for number, sample in enumerate(samples):
        page.add(number, Series(sample.name, sample.type, sample.labels, help=sample.help))
    readings = Readings([sample.value for sample in samples], {})
    return page.render(readings, form)
