"""What the `broker_transport_options` of an app say about the acknowledging transport, checked.

Comes in: the broker's address and the options. Goes out: `Options`, or an `OptionsError` that says
what cannot be and what to do. It opens nothing. Options that are not named here are those of
`sqlalchemy.create_engine`, as for kombu's own SQL transport.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

POLLING_INTERVAL_SECONDS = 1.0
"""kombu's default; a worker looks by itself this often where no notice reaches it."""
VISIBILITY_TIMEOUT_SECONDS = 3600.0
"""kombu's default for Redis."""
GRACE_SECONDS = 10.0
"""A worker that lost its connection has it again by then: it tries every second."""
_NAME_BYTES_MAX = 63 - len("ix__waiting")
"""PostgreSQL cuts longer names off, and the longest of ours is that of an index."""
_OF_KOMBU = (
    *("callback", "errback", "max_retries", "retry_errors"),
    *("interval_start", "interval_step", "interval_max", "body_encoding", "deadletter_queue"),
)
"""Options that kombu itself reads from the same place."""


class OptionsError(ValueError):
    """The address or an option asks for what cannot be done; the message has no secret."""


@dataclass(frozen=True)
class Options:
    """How to use one broker."""

    url: str = field(repr=False)
    """It may hold a password."""
    queue_tablename: str = "kombu_queue"
    message_tablename: str = "kombu_message"
    polling_interval: float = POLLING_INTERVAL_SECONDS
    """Seconds between two looks into empty queues."""
    visibility_timeout: float = VISIBILITY_TIMEOUT_SECONDS
    """Seconds without a sign of life after which what a worker held is given to others, even though
    its database session seems to be open."""
    lease_grace: float = GRACE_SECONDS
    """Seconds after which it is given to others when the session is gone."""
    notify: bool = True
    """Whether a publisher wakes the workers; without it they look every `polling_interval`."""
    engine: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    """Arguments for `sqlalchemy.create_engine`."""


def read(url: str, options: Mapping[str, Any]) -> Options:
    """The options of a broker; `url` is the address without `portless+`. Raises `OptionsError`."""
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError as error:
        # not the error's own text, which quotes the address
        raise OptionsError("the broker's address is none that SQLAlchemy can read") from error
    if backend != "postgresql":
        raise OptionsError(
            f"portless+{backend} is not possible: leases need PostgreSQL's SKIP LOCKED, RETURNING "
            f"and advisory locks; use sqla+{backend} there, which keeps no acknowledgements"
        )
    if "isolation_level" in options:
        raise OptionsError("isolation_level is the transport's own; remove the option")
    ours = {name: options[name] for name in Options.__annotations__ if name in options}
    rest = {key: options[key] for key in options if key not in ours and key not in _OF_KOMBU}
    for name in ("polling_interval", "visibility_timeout", "lease_grace"):
        ours[name] = _seconds(name, ours.get(name, getattr(Options, name)))
    for name in ("queue_tablename", "message_tablename"):
        _check_name(name, ours.get(name, getattr(Options, name)))
    return Options(**{**ours, "url": url, "engine": tuple(sorted(rest.items()))})


def _seconds(name: str, value: Any) -> float:  # noqa: ANN401 - whatever the user wrote
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise OptionsError(f"{name} is {value!r}; it must be a number of seconds above 0")
    return float(value)


def _check_name(name: str, value: Any) -> None:  # noqa: ANN401 - whatever the user wrote
    if not isinstance(value, str) or not 0 < len(value.encode()) <= _NAME_BYTES_MAX:
        raise OptionsError(
            f"{name} is {value!r}; it must be a name of 1 to {_NAME_BYTES_MAX} bytes"
        )
