"""RESULTS.md -> docs/pictures/benchmark.svg: what receiving costs, beside what others take for it.

It draws the tables `peers` and `collector` and knows no number that does not stand there. What the
embedded collector does worse is drawn too, in a colour of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from benchmarks.results import RESULTS, circumstances, kept, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "benchmark.svg"
WIDTH = 900
MARGIN = 28
BARS_FROM = 388
BARS_TO = 650
"""Where the longest bar ends; its value stands behind it."""
ROW = 28
TITLE = "What it costs to receive what Celery workers count"
STYLE = """
svg {
  --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --ours: #0a7d4f; --other: #8fa3b8; --dearer: #b35900;
}
@media (prefers-color-scheme: dark) {
  svg {
    --paper: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d;
    --ours: #3fb950; --other: #5c7086; --dearer: #e09b4a;
  }
}
text { font: 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
text { fill: var(--ink); }
.title { font-size: 19px; font-weight: 600; }
.head { font-size: 15px; font-weight: 600; }
.soft { font-size: 12px; fill: var(--soft); }
.name { text-anchor: end; }
.paper { fill: var(--paper); stroke: var(--line); }
.ours { fill: var(--ours); }
.other { fill: var(--other); }
.dearer { fill: var(--dearer); }
.one { stroke: var(--ours); stroke-width: 1.5; stroke-dasharray: 3 3; }
"""


class Bar(NamedTuple):
    """One row of a chart."""

    name: str
    length: float
    told: str
    """Its value, as the table has it."""
    kind: str
    """The class in STYLE that colours it."""


class Chart(NamedTuple):
    """Some bars to one scale."""

    head: str
    below: str
    bars: Sequence[Bar]
    mark: float | None
    """Where a line crosses all bars."""
    foot: str


def drawn(results: str) -> str:
    """Return the picture of the tables in RESULTS.md; one that is not there is left out."""
    there = kept(results)
    charts = [make(there[suite]) for suite, make in CHARTS.items() if suite in there]
    y = MARGIN + 14
    parts = [_text(MARGIN, y, TITLE, "title")]
    for chart in charts:
        bottom, lines = _chart(chart, y + 44)
        y = bottom
        parts += lines
    height = y + MARGIN - 8
    told = " ".join(_told(chart) for chart in charts)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    card = f'x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(TITLE)}</title>',
        f'<desc id="desc">{escape(told)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" {card}/>',
    ]
    return "\n".join([*head, *parts, "</svg>\n"])


def _peers(table: str) -> Chart:
    bars = []
    for name, cpu, ratio, _, _, _, tenants in rows(table):
        if cpu == "–":
            continue
        ours = not bars
        stay = "tenants stay" if tenants == "yes" else "tenants gone"
        told = f"{cpu}, {stay}" if ours else f"{cpu}, {ratio} ×, {stay}"
        bars.append(Bar(name, float(cpu.removesuffix(" s")), told, "ours" if ours else "other"))
    return Chart(
        "CPU seconds for a million counter points",
        "The same counters in turns, 600 known series a push; Prometheus stores them, too.",
        bars,
        None,
        circumstances(table),
    )


def _collector(table: str) -> Chart:
    bars = []
    for work, _, _, ratio in rows(table):
        times = float(ratio)
        bars.append(Bar(work, times, f"{ratio} ×", "dearer" if times < 1 else "other"))
    return Chart(
        "The OpenTelemetry Collector's CPU, in multiples of the embedded one's",
        "Same file, same bytes. Beyond the line the embedded one takes less, before it more.",
        bars,
        1.0,
        circumstances(table),
    )


CHARTS = {"peers": _peers, "collector": _collector}


def _chart(chart: Chart, y: int) -> tuple[int, list[str]]:
    """Return where it ends, and its elements."""
    lines = [_text(MARGIN, y, chart.head, "head"), _text(MARGIN, y + 20, chart.below, "soft")]
    top = y + 34
    scale = (BARS_TO - BARS_FROM) / max(bar.length for bar in chart.bars)
    mark = scale * (chart.mark or 0)
    for at, bar in enumerate(chart.bars):
        middle = top + at * ROW + ROW // 2
        width = max(bar.length * scale, 1)
        size = f'x="{BARS_FROM}" y="{middle - 8}" width="{width:.1f}" height="16" rx="2"'
        lines += [
            _text(BARS_FROM - 10, middle + 5, bar.name, "name"),
            f'<rect class="{bar.kind}" {size}/>',
            _text(round(BARS_FROM + max(width, mark)) + 8, middle + 5, bar.told, ""),
        ]
    bottom = top + len(chart.bars) * ROW
    if mark:
        x = f"{BARS_FROM + mark:.1f}"
        lines.append(f'<line class="one" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>')
    lines.append(_text(MARGIN, bottom + 18, chart.foot, "soft"))
    return bottom + 18, lines


def _text(x: int, y: int, text: str, kind: str) -> str:
    styled = f' class="{kind}"' if kind else ""
    return f'<text{styled} x="{x}" y="{y}">{escape(text)}</text>'


def _told(chart: Chart) -> str:
    return f"{chart.head}: {'; '.join(f'{bar.name}: {bar.told}' for bar in chart.bars)}."


def write() -> None:
    """Draw it anew."""
    PICTURE.write_text(drawn(RESULTS.read_text()))


if __name__ == "__main__":
    write()
