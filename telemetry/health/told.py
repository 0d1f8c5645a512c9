"""What rounds of checks found -> a gauge by check, told to whatever provider this process has.

In: every `Readiness` here. Out: 1 or 0 for each check, as it was found last; nothing where nobody
has asked of late, since what was found then says nothing of now. It starts no round by itself.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from opentelemetry import metrics

from telemetry.catalog import API_READY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import CallbackOptions

FRESH_SECONDS = 60.0
"""Probes come every few seconds; orchestrators' own defaults are ten and thirty."""


class Found(Protocol):
    """Whoever knows what was found last."""

    def found(self) -> tuple[dict[str, bool], float]:
        """By check whether it was well, and when, on the monotonic clock."""


_lock = threading.Lock()
_all: WeakSet[Found] = WeakSet()
_gauges: list[metrics.ObservableGauge] = []
"""The one there is, once it is needed."""


def tell(of: Found) -> None:
    """Tell of it from now on, for as long as it is there."""
    with _lock:
        _all.add(of)
        if not _gauges:
            meter = metrics.get_meter("telemetry.health")
            _gauges.append(
                meter.create_observable_gauge(
                    API_READY.name, [_observe], API_READY.unit, API_READY.help
                )
            )


def _observe(_: CallbackOptions) -> Iterable[metrics.Observation]:
    now = monotonic()
    merged: dict[str, bool] = {}
    with _lock:
        known = list(_all)
    for one in known:
        checks, when = one.found()
        if now - when <= FRESH_SECONDS:
            for name, ok in checks.items():  # of two by one name, the one that is not well
                merged[name] = ok and merged.get(name, True)
    (key,) = API_READY.attributes
    return [metrics.Observation(int(ok), {key: name}) for name, ok in merged.items()]
