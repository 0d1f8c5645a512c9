"""Tells whoever asked for it that messages of a vanished worker wait again.

Comes in: a queue's name and how many. It knows nobody who listens, and imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

listeners: list[Callable[[str, int], None]] = []
"""Each is called with a queue's name and a number of messages; it must not raise."""


def tell(queue_name: str, count: int) -> None:
    """Tell all of them."""
    for listener in listeners:
        listener(queue_name, count)
