"""A server's door: from which networks one may come, how it is locked, who is asked for a login.

What is not allowed is refused before anything of a request is read. Requests and sockets are not
known here, only addresses and headers.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector.server.listening import ListenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.server.auth import Authenticator
    from collector.server.tls import Certificates

IPV4_AT = 96
"""Bits before an IPv4 address in IPv6's spelling, ::ffff:10.0.0.1."""

Network: TypeAlias = IPv4Network | IPv6Network


def network(text: str) -> Network:
    """Read a network, `10.0.0.0/8` or `fd00::/8`, or a single address. Raises ValueError.

    IPv4 written as IPv6 is IPv4, as it is where a client comes from.
    """
    found = ip_network(text)
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    bits = found.prefixlen - IPV4_AT
    return IPv4Network((mapped, bits)) if mapped is not None and bits >= 0 else found


class Allowed(NamedTuple):
    """What the command line allows; servers are called by their names, an empty one is all."""

    networks: tuple[tuple[str, Network], ...] = ()
    """From which clients may come to which servers."""
    open: tuple[str, ...] = ()
    """Servers that other machines may use without a login."""

    def networks_of(self, server: str) -> tuple[Network, ...]:
        """Return the networks that a server's clients may come from; empty means all."""
        return tuple(network for name, network in self.networks if name in {"", server})

    def may_be_open(self, server: str) -> bool:
        """Whether a server need not ask who is there."""
        return not {"", server}.isdisjoint(self.open)

    def refuse_unknown(self, servers: Iterable[str]) -> None:
        """Raise ListenError where a name is none of a server: nothing would be protected by it."""
        known = list(servers)
        for name in (*(name for name, _ in self.networks), *self.open):
            if name and name not in known:
                there_are = ", ".join(known)
                raise ListenError(f'no server is called "{name}", there are {there_are}')


class Door(NamedTuple):
    """What stands before a server; without anything in it, it stands open."""

    networks: tuple[Network, ...] = ()
    """From which clients may come; empty means from everywhere."""
    certificates: Certificates | None = None
    """None where TLS is not spoken."""
    authenticator: Authenticator | None = None
    """None where nobody is asked."""

    def admits(self, host: str) -> bool:
        """Whether a client may come from an address; one that is not known is no good."""
        if not self.networks:
            return True
        if not host:
            return False
        found = ip_address(host.partition("%")[0])
        # A socket for both families shows IPv4 as ::ffff:10.0.0.1.
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in each for each in self.networks)

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request in, by its headers with names in lower case. Raises Refused."""
        if self.authenticator:
            self.authenticator.check(headers)

    def tick(self, now: float) -> None:
        """Look whether what the door needs has changed; seconds of any steady clock."""
        if self.certificates:
            self.certificates.tick(now)
        if self.authenticator:
            self.authenticator.refresh()


OPEN = Door()
