"""All that the page says at one moment, as one document that JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.page.catalog import OUTCOMES
from collector.page.figures import Figures
from collector.page.quantile import QUANTILES
from collector.page.redaction import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine import Engine
    from collector.outlets.prometheus import PrometheusOutlet


class Teller:
    """Tells of one exporter and of the pipelines before it."""

    def __init__(self, name: str, outlet: PrometheusOutlet, engines: Sequence[Engine]) -> None:
        """`name` is what the configuration calls the exporter."""
        self._name = name
        self._outlet = outlet
        self._engines = engines
        self._figures = Figures(outlet)

    def tell(self) -> dict[str, object]:
        """Tell what is so now."""
        shot = self._outlet.shot()
        samples = [sample for engine in self._engines for sample in engine.self_metrics()]
        return {
            "exporter": self._name,
            "outcomes": OUTCOMES,
            "quantiles": [f"p{round(q * 100)}" for q in QUANTILES],
            "lines": len(shot.series),
            "metrics": self._figures.of(shot),
            "redaction": summary(shot, samples),
        }
