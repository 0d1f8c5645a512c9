"""What one `prometheus` exporter shows: its lines, written as a page whenever somebody asks.

In: the exporter's settings and, at each scrape, a format. Out: the page. It opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.exposition.names import Translator
from collector.exposition.page import Page
from collector.model import Series
from collector.outlets.outlet import Outlet

if TYPE_CHECKING:
    from collector.exposition.negotiate import Format
    from collector.settings import Prometheus


class PrometheusOutlet(Outlet[Series]):
    """The lines of a `prometheus` exporter."""

    def __init__(self, settings: Prometheus) -> None:
        self.settings = settings
        self._shown = Page(settings)
        translate = Translator(settings).translate
        super().__init__(translate, self._shown, settings.metric_expiration_seconds)

    def scrape(self, form: Format) -> bytes:
        """Write the exposition."""
        return self._shown.render(self.read(), form)
