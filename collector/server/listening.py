"""Endpoints -> bound sockets, or one clear sentence why not."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.settings import Endpoint


class ListenError(Exception):
    """Nobody can be served at an endpoint; the text names it as the configuration does."""


def listen(endpoint: Endpoint, path: str) -> socket.socket:
    """Bind an endpoint; `path` is where the configuration file gives it. Raises ListenError."""
    try:
        family, host = _meant(endpoint)
        dual = not endpoint.host and family == socket.AF_INET6
        return socket.create_server((host, endpoint.port), family=family, dualstack_ipv6=dual)
    except OSError as error:
        # A failed bind says in its text what it was about; a name that is not known has no errno.
        unknown = isinstance(error, socket.gaierror)
        why = str(error.strerror) if unknown else os.strerror(error.errno or 0)
        why = f"{why[:1].lower()}{why[1:]}"
        raise ListenError(f"{path}: cannot listen on {_text(*endpoint)}: {why}") from None


def _meant(endpoint: Endpoint) -> tuple[socket.AddressFamily, str]:
    """Find the address of an endpoint; raises OSError where its name has none."""
    if not endpoint.host:
        both = socket.has_dualstack_ipv6()
        return (socket.AF_INET6, "::") if both else (socket.AF_INET, "0.0.0.0")  # noqa: S104 - asked for
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    # A name may stand for several addresses; IPv4 first, as in the real collector.
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    return found[0][0], str(found[0][4][0])


def resolved(endpoint: Endpoint) -> tuple[str, str]:
    """Return the address that would be bound, and the same with its port; empty if unknown."""
    try:
        host = _meant(endpoint)[1]
    except OSError:
        return "", ""
    return host, _text(host, endpoint.port)


def host_of(listening: socket.socket) -> str:
    """Return the address that a socket is bound to."""
    return str(listening.getsockname()[0])


def address(listening: socket.socket) -> str:
    """Return what a socket is bound to, as HOST:PORT."""
    return _text(*listening.getsockname()[:2])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return ip_address(host.partition("%")[0]).is_loopback


def _text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
