"""Message headers that become attributes: which values they have, and how they get into messages.

Comes in: the names that `instrument(app, attributes=…)` gave, and the headers of a message. Goes
out: their values in the order of the names, "" where a header is missing; and into a message about
to be published, the headers that its publisher carries. It knows no metric and no limit on how many
values there may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import current_task

from telemetry.carry import carried
from telemetry.tally import OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE_LENGTH_MAX = 256
"""Characters; headers come from outside, and nobody's tenant is called as long as that."""


class Lifted:
    """The headers that are attributes."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        """What they are called; often nothing."""
        self.nothing = ("",) * len(names)
        """The values of a message without any of them."""

    def values(self, headers: Mapping[str, Any]) -> tuple[str, ...]:
        """Their values in a message, in order."""
        return tuple(_text(headers.get(name)) for name in self.names)

    def carry(self, headers: dict[str, Any]) -> None:
        """Add those that the message has not: from the block around, or the task that publishes."""
        if not self.names:
            return
        around = carried()
        publisher: Any = current_task.request if current_task else {}
        for name in self.names:
            if headers.get(name) is None:
                value = around.get(name, publisher.get(name))
                if value not in {None, ""}:
                    headers[name] = value


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and value.bit_length() <= 64:
        return str(value)
    return value if isinstance(value, str) and len(value) <= VALUE_LENGTH_MAX else OTHER
