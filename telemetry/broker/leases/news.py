"""Tells whoever asked for it what befell messages that nobody was working on.

Comes in: what befell them, a queue's name and how many. It knows nobody who listens, and imports
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    News: TypeAlias = Literal["recovered", "set_aside"]
    """A vanished worker's wait again; a row that cannot be read stays where it is."""

listeners: list[Callable[[News, str, int], None]] = []
"""Each is called with the news, a queue's name and a number of messages; it must not raise."""


def tell(news: News, queue_name: str, count: int) -> None:
    """Tell all of them."""
    for listener in listeners:
        listener(news, queue_name, count)
