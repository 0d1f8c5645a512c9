"""What Prometheus would read: a page of the text format 0.0.4, fetched and taken apart.

In: a URL. Out: samples, and sums over those that fit. It knows no metric's name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple
from urllib.request import ProxyHandler, build_opener

TIMEOUT_SECONDS = 5.0

_SAMPLE = re.compile(r"(?P<name>[\w:]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


class Sample(NamedTuple):
    """One line."""

    name: str
    labels: dict[str, str]
    value: float


class Page:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        for line in text.splitlines():
            if line and not line.startswith("#"):
                sample = _sample(line)
                self._samples[sample.name].append(sample)

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """Find the samples of a name that have these labels, maybe among others."""
        wanted = labels.items()
        return [sample for sample in self._samples.get(name, ()) if wanted <= sample.labels.items()]

    def sum(self, name: str, **labels: str) -> float:
        """Add them up, over whatever else distinguishes them; 0 if there are none."""
        return sum(sample.value for sample in self.samples(name, **labels))

    def sum_by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Add them up per value of a label."""
        sums: dict[str, float] = defaultdict(float)
        for sample in self.samples(name, **labels):
            sums[sample.labels.get(label, "")] += sample.value
        return dict(sums)

    @property
    def series(self) -> int:
        """Count the series: what Prometheus would store, a histogram's lines one by one."""
        return sum(len(samples) for samples in self._samples.values())


def fetch(url: str) -> Page:
    """Scrape. Raises OSError."""
    # Whatever proxy the environment names, a loopback address is not behind it.
    with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_SECONDS) as answer:
        return Page(answer.read().decode())


def _sample(line: str) -> Sample:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise ValueError(f"no sample of the text format: {line!r}")
    pairs = _LABEL.findall(match["labels"] or "")
    labels = {name: _ESCAPE.sub(_unescaped, value) for name, value in pairs}
    return Sample(match["name"], labels, float(match["value"]))


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]
