"""A server that echoes, and a connection to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.collector.echo import LIMITS, Echo
from tests.collector.serving import Client, Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def echo() -> Echo:
    """The handler behind the server."""
    return Echo()


@pytest.fixture
def served(echo: Echo) -> Iterator[Served]:
    """A server with small limits."""
    with serving(echo, LIMITS) as one:
        yield one


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """A connection to it."""
    with served.client() as one:
        yield one
