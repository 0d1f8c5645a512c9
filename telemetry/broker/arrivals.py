"""When a message without a time of its own was first seen.

Comes in: at every look the newest place that is taken, where places grow with every message. Goes
out: for a place the first look at which it was taken, so a message has waited at least since then.
It knows no message, no queue and no clock.
"""

from __future__ import annotations

from bisect import bisect_left

MARKS_MAX = 1000
"""Looks that are remembered; of older ones every second is forgotten when it becomes more."""


class Arrivals:
    """The newest place at each look at which there was a new one."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._seconds: list[float] = []

    def saw(self, newest_place: int, now_seconds: float) -> None:
        """All places up to this one are taken."""
        if self._places and newest_place <= self._places[-1]:
            return
        self._places.append(newest_place)
        self._seconds.append(now_seconds)
        if len(self._places) > MARKS_MAX:
            # What is left for a place is a later look: a message seems younger, never older.
            half = MARKS_MAX // 2
            self._places[:half] = self._places[1:half:2]
            self._seconds[:half] = self._seconds[1:half:2]

    def seen_seconds(self, place: int, now_seconds: float) -> float:
        """The first look at which the place was taken."""
        at = bisect_left(self._places, place)
        return min(self._seconds[at], now_seconds) if at < len(self._places) else now_seconds
