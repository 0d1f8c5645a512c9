"""What one `prometheus` exporter shows: its lines, written as a page whenever somebody asks.

Under a strategy that leaves names as they are, a client that cannot read them gets them escaped.
Names that differ may then become one, so each escaping has lines of its own, made of the same
numbers: from the first scrape on that asks for it. It opens no socket.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from collector.errors import Untranslatable
from collector.exposition.names import Translator
from collector.exposition.page import Page
from collector.exposition.utf8 import AS_IS
from collector.model import Series
from collector.outlets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from collector.exposition.negotiate import Format
    from collector.ledger.account import Told
    from collector.model import Stream
    from collector.outlets.outlet import Feed
    from collector.reading import Readings
    from collector.self_metrics import Sample
    from collector.settings import Prometheus


class _View(Lines[Series]):
    """The lines under one escaping."""

    def __init__(self, settings: Prometheus, escaping: str) -> None:
        self.page = Page(settings, escaping)
        translate = Translator(settings, escaping).translate
        super().__init__(translate, self.page, settings.metric_expiration_seconds)


class Shot(NamedTuple):
    """What is shown at one moment."""

    series: Mapping[int, Series]
    """By line, as is all that follows."""
    changes: int
    """As long as it is the same, so are the series."""
    readings: Readings
    told: Told
    """What the lines' sources told, one by one."""


class PrometheusOutlet:
    """A `prometheus` exporter."""

    def __init__(self, settings: Prometheus) -> None:
        self.settings = settings
        self.expiration_seconds = settings.metric_expiration_seconds
        self.wants_exemplars = settings.enable_open_metrics
        self.wants_times = settings.send_timestamps
        self._first = _View(settings, AS_IS)
        self._views = {AS_IS: self._first}
        self._feeds: list[Feed] = []

    def join(self, feed: Feed) -> int:
        """See `Outlet`, as for all that follows."""
        self._feeds.append(feed)
        for view in self._views.values():
            view.join(feed)
        return len(self._feeds) - 1

    def admit(self, feeder: int, series: int, stream: Stream) -> None:
        """What can be shown as it is counts as shown, also where its escaped name is taken."""
        self._first.admit(feeder, series, stream)
        for view in self._views.values():
            if view is not self._first:
                with suppress(Untranslatable):  # the view has counted it
                    view.admit(feeder, series, stream)

    def line(self, feeder: int, series: int) -> tuple[int, ...]:
        """Name what a series is shown as, under every escaping."""
        return tuple(view.line(feeder, series) for view in self._views.values())

    def leave(self, feeder: int, series: Collection[int]) -> None:
        """Forget these series."""
        for view in self._views.values():
            view.leave(feeder, series)

    def hear(self, now: float) -> None:
        """Look which series were spoken for of late."""
        for view in self._views.values():
            view.hear(now)

    def living(self, feeder: int) -> NDArray[np.bool_]:
        """Return which series are alive under some escaping."""
        living = self._first.living(feeder)
        for view in self._views.values():
            living = living | view.living(feeder)
        return living

    def self_metrics(self, exporter: str) -> list[Sample]:
        """Return the numbers of the lines with names as they are."""
        return self._first.self_metrics(exporter)

    def scrape(self, form: Format) -> bytes:
        """Write the exposition."""
        view = self._view(form.escaping) if self.settings.utf8_names else self._first
        return view.page.render(view.read(times=self.wants_times), form)

    def shot(self) -> Shot:
        """Tell what the lines with names as they are say now: what `scrape` writes, as numbers."""
        page = self._first.page
        return Shot(page.series, page.changes, self._first.read(), self._first.told())

    def _view(self, escaping: str) -> _View:
        """Return the lines under an escaping; the first time all series have to be shown."""
        if escaping not in self._views:
            view = _View(self.settings, escaping)
            for feed in self._feeds:
                feeder = view.join(feed)
                for series, stream in feed.known():
                    with suppress(Untranslatable):
                        view.admit(feeder, series, stream)
            self._views[escaping] = view
        return self._views[escaping]
