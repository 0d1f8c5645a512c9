"""Who may read why something is not ready: whoever holds the token, or asks from a known network.

Comes in: a request's headers and the address that its connection came from. Goes out: yes or no, in
a time that does not depend on how much of a token was right. It knows no ASGI and no check.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOKEN_CHARACTERS_MIN = 16
"""What is shorter is guessed; `openssl rand -hex 16` makes one of 32."""

Address = IPv4Address | IPv6Address


class Access:
    """Nobody, unless a token or networks are given.

    `trusted_proxies` are networks whose X-Forwarded-For is believed; without them that header,
    which anybody can send, counts for nothing. Raises ValueError for a token that is short, or a
    network that is none.
    """

    def __init__(
        self,
        token: str | None = None,
        networks: Iterable[str] = (),
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        if token is not None and len(token) < TOKEN_CHARACTERS_MIN:
            raise ValueError(
                f"the token has fewer than {TOKEN_CHARACTERS_MIN} characters; "
                "make one with: openssl rand -hex 16"
            )
        self._digest = None if token is None else _digest(token.encode())
        self._networks = [ip_network(network) for network in networks]
        self._proxies = [ip_network(network) for network in trusted_proxies]

    def allows(self, headers: Sequence[tuple[bytes, bytes]], peer: str | None) -> bool:
        """Whether a request may see details; `headers` with names in lower case, as ASGI has them.

        `peer` is the address at the other end of the connection, None where there is none.
        """
        return self._has_token(headers) or self._is_near(headers, peer)

    def _has_token(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        if self._digest is None or len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        # Digests have one length, so that not even the token's length shows in the time.
        same = hmac.compare_digest(_digest(token.strip()), self._digest)
        return same and scheme.lower() == b"bearer"

    def _is_near(self, headers: Sequence[tuple[bytes, bytes]], peer: str | None) -> bool:
        address = _address(peer)
        if address is not None and _within(address, self._proxies):
            address = self._before_proxies(headers)
        return address is not None and _within(address, self._networks)

    def _before_proxies(self, headers: Sequence[tuple[bytes, bytes]]) -> Address | None:
        """The last address in X-Forwarded-For that is no trusted proxy's; the rest is hearsay."""
        told = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
        for hop in reversed(",".join(told).split(",")):
            address = _address(hop.strip())
            if address is None or not _within(address, self._proxies):
                return address
        return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _address(text: str | None) -> Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: Address, networks: Iterable[object]) -> bool:
    return any(address in network for network in networks)  # type: ignore[operator] # networks are
