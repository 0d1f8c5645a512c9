"""The app's own address of its broker -> what can look into it.

Comes in: a connection as kombu made it from the address, not opened. Goes out: a `Broker`, or
`Unreadable` with a sentence that has no address in it. Only what the broker needs is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from telemetry.broker.blind import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.broker.readings import Look

Connection: TypeAlias = Any
"""kombu's."""

SILENCE_SECONDS_MIN = 15.0
SILENCE_INTERVALS = 4
"""An observer that has not looked for so many intervals, and so long, has lost its place."""


class Broker(Protocol):
    """What an observer looks at."""

    name: str

    def look(self) -> Look | None:
        """Look once; None while another observer does. Raises `telemetry.broker.blind.Unseen`."""

    def close(self) -> None:
        """End the connection; the next look makes one."""


def driver_type(connection: Connection) -> str:
    """`sql`, `redis`, `amqp` or whatever else kombu calls it."""
    return str(connection.get_transport_cls().driver_type)


def elects(connection: Connection) -> bool:
    """Whether this kind of broker tells which one of many observers looks: PostgreSQL does."""
    return driver_type(connection) == "sql" and str(connection.hostname).startswith("postgres")


def broker(
    connection: Connection, queue_names: Callable[[], Iterable[str]], interval_seconds: float
) -> Broker:
    """What looks into the broker of a connection every `interval_seconds`.

    `queue_names` are asked for where the broker itself has no list of its queues. Raises
    `Unreadable`.
    """
    driver = driver_type(connection)
    if driver == "sql":
        return _sql(connection, interval_seconds)
    if driver == "redis":
        from telemetry.broker.redis import RedisBroker  # noqa: PLC0415 - only what is needed

        return RedisBroker(connection, queue_names)
    if driver == "amqp":
        from telemetry.broker.amqp import AmqpBroker  # noqa: PLC0415

        return AmqpBroker(connection, queue_names)
    raise Unreadable(
        f"the queues of a broker of the kind {driver!r} cannot be read; "
        "PostgreSQL, SQLite, Redis and AMQP can"
    )


def _sql(connection: Connection, interval_seconds: float) -> Broker:
    try:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - not for other brokers

        from telemetry.broker.sql import SqlBroker  # noqa: PLC0415
    except ImportError as error:
        raise Unreadable(
            f"{error.name} is not installed; kombu's SQL transport needs it"
        ) from error

    options = connection.transport_options or {}
    try:
        return SqlBroker(
            connection.hostname,  # for these transports kombu keeps the whole address here
            tables={
                "queues": options.get("queue_tablename", "kombu_queue"),
                "messages": options.get("message_tablename", "kombu_message"),
            },
            connect_args=options.get("connect_args", {}),
            silence_seconds=max(SILENCE_SECONDS_MIN, SILENCE_INTERVALS * interval_seconds),
        )
    except ImportError as error:
        raise Unreadable(f"the driver {error.name} of the broker's database is missing") from error
    except (ValueError, SQLAlchemyError) as error:  # whose text may quote the address
        raise Unreadable(f"the broker's address is none ({type(error).__name__})") from None
