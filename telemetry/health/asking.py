"""A channel to an app's broker for one question, and nothing of it left open.

Comes in: an app. Goes out: a connection and a channel for the length of a `with` block. Connecting
is tried twice at most: kombu's own default is to try for ever. It knows no question.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

# kombu's own objects. Their published types leave out most of what is used here.
App: TypeAlias = Any
Connection: TypeAlias = Any
Channel: TypeAlias = Any


@contextmanager
def channel(app: App, connect_seconds: float) -> Iterator[tuple[Connection, Channel]]:
    """Connect as a publisher does. Raises whatever the broker's library does."""
    connection = app.connection_for_write(connect_timeout=connect_seconds)
    try:
        connection.connect()
        made = connection.channel()
        try:
            yield connection, made
        finally:
            # An SQL channel keeps its session, and a transaction in it, until it is collected.
            session = getattr(made, "session", None)
            if session is not None:
                session.close()
    finally:
        connection.release()
