"""An exposition as Prometheus would read it -> its samples, and what is wrong with the page.

Comes in: an address. Goes out: text, samples, a verdict on what cannot be read. It knows no metric.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import requests

from doctor.asking import Failure, Heard, ask, place_of
from doctor.walk import Verdict, broken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_KINDS = ("text/plain", "application/openmetrics-text")
_OF_ITSELF = "otelcol_receiver_accepted_metric_points"
"""Every collector says it about itself, on another page than that of what was pushed."""


class Sample(NamedTuple):
    """A line of an exposition."""

    labels: Mapping[str, str]
    value: float


class Page:
    """Where the exposition stands."""

    def __init__(
        self,
        url: str,
        session: requests.Session | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self.url = url
        self.where = place_of(url)
        self._session = session or requests.Session()
        self._options = dict(options or {})

    def ask(self) -> Heard:
        """What is there now."""
        return ask(self._session, "GET", self.url, **self._options)

    def text(self) -> str | None:
        """The exposition; None where it cannot be had now."""
        heard = self.ask()
        return None if fault(heard, self.where) else heard.body.decode(errors="replace")


def fault(heard: Heard, where: str) -> Verdict | None:
    """What is wrong with a page, if anything is; the todo is for who knows the page's address."""
    if heard.failure is Failure.REFUSED:
        return broken(
            f"nothing listens at {where}",
            "start the collector; exporters::prometheus::endpoint of its file says where the page "
            "is, and --metrics-url tells the doctor",
        )
    if heard.failure:
        what = f"the page at {where} cannot be read: {heard.failure.value}"
        return broken(what, "correct --metrics-url: exporters::prometheus says where it is")
    if heard.status in {401, 403}:
        return broken(
            f"the page at {where} asks who is there, and refused ({heard.status})",
            "write the login into ~/.netrc, or as --metrics-url http://USER:PASSWORD@…; Prometheus "
            "needs it in its scrape job, too",
        )
    if heard.status != 200:
        what = f"{where} has no such page ({heard.status})"
        return broken(what, "correct --metrics-url: exporters::prometheus has it at /metrics")
    if not heard.content_type.startswith(_KINDS):
        what = f"what stands at {where} is no exposition of metrics"
        return broken(what, "correct --metrics-url: exporters::prometheus has it at /metrics")
    return None


def is_of_the_collector_itself(text: str) -> bool:
    """Whether a page tells of the collector, and not of what was pushed to it."""
    return _OF_ITSELF in text


def samples(text: str, fits: Callable[[str], object]) -> list[Sample]:
    """The lines whose names fit, in a text exposition."""
    found = []
    for line in text.splitlines():
        head, brace, rest = line.partition("{")
        if brace and head and head[0] != "#" and fits(head):
            labels, _, number = rest.rpartition("} ")
            found.append(Sample(dict(_LABEL.findall(labels)), float(number.split()[0])))
    return found
