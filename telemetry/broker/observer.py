"""The one who looks: a look at the broker at every interval, pushed as the broker's own numbers.

Comes in: a broker, and who this process is. Goes out: exports. What is read of a broker belongs to
the broker, so it is sent under a resource that is the same whoever looks: when the place changes
hands one series continues and nothing is there twice. Who cannot look says so under its own name.
It knows no SQL and no worker; where it waits, no task does.
"""

from __future__ import annotations

import logging
from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from telemetry import export, identity
from telemetry.broker import aside, readings
from telemetry.broker.arrivals import Arrivals
from telemetry.broker.blind import Unseen
from telemetry.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.broker.blind import Reason
    from telemetry.broker.brokers import Broker
    from telemetry.broker.readings import Look
    from telemetry.settings import Settings
    from telemetry.tally import Reading

logger = logging.getLogger(__name__)

PATIENCE_INTERVALS = 2
"""A candidate asks for the place so seldom: each time it connects, and it keeps no connection."""
STOP_SECONDS = 0.5
"""For the end of a look and of the connection; the process's end does both as well."""


class Observer:
    """Looks from `start` to `stop`, in a thread of its own."""

    def __init__(
        self,
        broker: Broker,
        settings: Settings,
        environ: Mapping[str, str],
        own: Resource,
        *,
        green: str = "default",
        quiet: bool = False,
    ) -> None:
        """`own` is the resource of this process; `quiet` where another report tells of exports."""
        self._broker = broker
        self._settings = settings
        self._environ = environ
        self._own = own
        self._log_level = logging.DEBUG if quiet else logging.WARNING
        self._aside = aside.runner(green)
        self._arrivals = Arrivals()
        self._senders: dict[Resource, export.Sender] = {}
        self._start_unix_nano = time_ns()
        self._looks = False
        self._pause = 0
        self._blind_here: Reason | None = None
        self._told = ""
        self._stopping = False
        self._ticker = Ticker(self._tick, settings.interval_seconds)

    def start(self) -> None:
        """Begin; the first look is one interval from now."""
        self._ticker.start()

    def stop(self) -> bool:
        """Give the place up; whether that was done in time."""
        self._stopping = True
        return self._ticker.stop(STOP_SECONDS)

    def _tick(self) -> None:
        if self._stopping:
            self._aside(self._broker.close)
        elif self._pause:
            self._pause -= 1
        else:
            self._look()

    def _look(self) -> None:
        try:
            look: Look | None = self._aside(self._broker.look)
        except Unseen as unseen:
            self._unseen(unseen)
            return
        self._tell_here(None)
        self._changes(looks=look is not None)
        if look is None:
            self._log_blindness("")
            return
        made, blind = readings.of(look, self._arrivals)
        self._log_blindness(", ".join(sorted(blind)))
        self._send(self._resource(look.name), [*made, *readings.blindness(blind)])

    def _unseen(self, unseen: Unseen) -> None:
        self._log_blindness(unseen.reason)
        if unseen.name is None:
            self._changes(looks=False)
            self._tell_here(unseen.reason)
        else:
            self._send(self._resource(unseen.name), readings.blindness([unseen.reason]))

    def _changes(self, *, looks: bool) -> None:
        """Take note of who looks; a candidate remembers nothing, since it would be out of date."""
        if looks != self._looks:
            self._looks = looks
            self._arrivals = Arrivals()
            logger.info("this process %s the broker's queues", "observes" if looks else "left")
        if not looks:
            self._pause = PATIENCE_INTERVALS - 1

    def _tell_here(self, reason: Reason | None) -> None:
        """Say under this process's own name that it cannot look, and once that it can again."""
        if reason is not None or self._blind_here is not None:
            self._send(self._own, readings.blindness([reason] if reason else []))
        self._blind_here = reason

    def _log_blindness(self, reasons: str) -> None:
        if reasons == self._told:
            return
        self._told = reasons
        if reasons:
            logger.warning("the broker's queues cannot be seen as a whole: %s", reasons)
        else:
            logger.warning("the broker's queues are seen again")

    def _resource(self, name: str) -> Resource:
        """Nothing but the broker's name: what else a resource says differs from host to host."""
        return Resource(identity.broker(self._environ, name))

    def _send(self, resource: Resource, made: Sequence[Reading]) -> None:
        sender = self._senders.get(resource)
        if sender is None:
            sender = export.Sender(self._settings, resource, down=False, log_level=self._log_level)
            self._senders[resource] = sender
        sender.send([export.scope_metrics(made, self._start_unix_nano, time_ns())])
