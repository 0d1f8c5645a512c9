"""kombu's transport for a SQL broker that acknowledges: `portless+postgresql+psycopg2://…`.

Comes in: a connection's address and options. Goes out: channels, and the wait between two looks
into the queues. Opt in by the address; the tables are those of kombu's own SQL transport, so stock
producers and workers go on beside it. It knows no row and no message.
"""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

import sqlalchemy
from kombu.transport import virtual
from sqlalchemy import exc

from telemetry.broker.leases import channel, database, options
from telemetry.broker.leases.holding import LeaseLost


class Transport(virtual.Transport):
    """The class; its `broker_transport_options` are those of `telemetry.broker.leases.options`."""

    Channel = channel.Channel
    channels: list[channel.Channel]  # type: ignore[assignment] # those it made
    polling_interval: float

    can_parse_url = True
    default_port = 0
    driver_type = "sql"
    driver_name = "portless"
    connection_errors = (
        *(exc.OperationalError, exc.InterfaceError, exc.TimeoutError),
        LeaseLost,
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu's
        self.options = options.read(client.hostname, client.transport_options)
        super().__init__(client, **kwargs)
        self.polling_interval = self.options.polling_interval

    def establish_connection(self) -> Any:  # noqa: ANN401 - kombu's
        """Reach the database, so that kombu's retries are about that; make missing tables."""
        database.database(self.options).prepare()
        return super().establish_connection()

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:  # noqa: ANN401, ARG002 - kombu's
        """Deliver one message; raises `TimeoutError` when none came in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        assert self.cycle is not None  # noqa: S101 - the base's __init__ has set it
        while True:
            try:
                self.cycle.get(self._deliver, timeout=timeout)
            except Empty:
                rest = self.polling_interval
                if deadline is not None:
                    rest = min(rest, deadline - time.monotonic())
                if rest <= 0:
                    raise TimeoutError from None
                self._wait(rest)
            else:
                return

    def driver_version(self) -> str:
        """The version of what speaks to the database."""
        return sqlalchemy.__version__

    def _wait(self, seconds: float) -> None:
        for one in self.channels:
            if one.is_consuming:
                one.wait(seconds)
                return
        time.sleep(seconds)
