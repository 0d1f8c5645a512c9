"""Endpoints are bound, or it is said why not."""

from __future__ import annotations

import socket

import pytest

from collector.server.listening import ListenError, address, host_of, is_loopback, listen
from collector.settings import Endpoint


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_free_port_is_found_on_loopback(host: str) -> None:
    """Port 0 is any; a name is looked up, IPv4 first."""
    with listen(Endpoint(host, 0), "receivers::otlp") as listening:
        port = listening.getsockname()[1]
        assert address(listening) == f"127.0.0.1:{port}"
        assert is_loopback(host_of(listening))
        listening.listen()
        socket.create_connection(("127.0.0.1", port)).close()


def test_no_host_is_every_interface() -> None:
    """IPv4 too, also where the system has IPv6."""
    with listen(Endpoint("", 0), "receivers::otlp") as listening:
        assert not is_loopback(host_of(listening))
        listening.listen()
        socket.create_connection(("127.0.0.1", listening.getsockname()[1])).close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_ipv6_is_written_in_brackets() -> None:
    """As in URLs."""
    try:
        listening = listen(Endpoint("::1", 0), "x")
    except ListenError:
        pytest.skip("this machine has no IPv6")
    with listening:
        assert address(listening) == f"[::1]:{listening.getsockname()[1]}"
        assert is_loopback(host_of(listening))


def test_a_port_in_use_is_said_in_one_line() -> None:
    """With the component and the address."""
    with listen(Endpoint("127.0.0.1", 0), "first") as listening:
        listening.listen()
        port = listening.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            listen(Endpoint("127.0.0.1", port), "exporters::prometheus")
    where = f"cannot listen on 127.0.0.1:{port}"
    assert str(caught.value) == f"exporters::prometheus: {where}: address already in use"


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_a_host_that_is_not_here_is_said_too(host: str) -> None:
    """Another machine's address, or no address."""
    with pytest.raises(ListenError, match=f"^x: cannot listen on {host}:0: [a-z]"):
        listen(Endpoint(host, 0), "x")
