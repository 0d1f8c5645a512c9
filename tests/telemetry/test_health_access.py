"""Who may read the reasons: a token or a network, and nothing that anybody can claim."""

from __future__ import annotations

import pytest

from telemetry.health.access import Access

TOKEN = "0123456789abcdef0123"


def bearer(value: str) -> list[tuple[bytes, bytes]]:
    """A request's headers."""
    return [(b"host", b"x"), (b"authorization", value.encode())]


def forwarded(value: str) -> list[tuple[bytes, bytes]]:
    """What a proxy adds, or whoever wants to be taken for one."""
    return [(b"x-forwarded-for", value.encode())]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        (bearer(f"Bearer {TOKEN}"), True),
        (bearer(f"bearer {TOKEN}"), True),
        (bearer(f"Bearer {TOKEN}x"), False),
        (bearer(f"Bearer {TOKEN[:-1]}"), False),
        (bearer("Bearer "), False),
        (bearer(""), False),
        (bearer(f"Basic {TOKEN}"), False),
        (bearer(TOKEN), False),
        ([], False),
        (bearer(f"Bearer {TOKEN}") * 2, False),
        ([(b"authorization", b"Bearer \xff\xfe")], False),
    ],
)
def test_a_token(headers: list[tuple[bytes, bytes]], allowed: bool) -> None:
    """Once, whole, and as a bearer's."""
    assert Access(TOKEN).allows(headers, "10.0.0.1") is allowed
    assert not Access().allows(headers, "10.0.0.1")


@pytest.mark.parametrize(
    ("peer", "headers", "allowed"),
    [
        ("10.1.2.3", [], True),
        ("::ffff:10.1.2.3", [], True),
        ("fd00::1", [], True),
        ("192.168.0.1", [], False),
        (None, [], False),
        ("not an address", [], False),
        ("192.168.0.1", forwarded("10.1.2.3"), False),
        ("10.1.2.3", forwarded("192.168.0.1"), True),
    ],
)
def test_a_network(peer: str | None, headers: list[tuple[bytes, bytes]], allowed: bool) -> None:
    """By the address of the connection; what a header says of it counts for nothing."""
    access = Access(networks=["10.0.0.0/8", "fd00::/8"])
    assert access.allows(headers, peer) is allowed


@pytest.mark.parametrize(
    ("peer", "told", "allowed"),
    [
        ("172.16.0.1", "10.1.2.3", True),
        ("172.16.0.1", "8.8.8.8, 10.1.2.3, 172.16.0.9", True),
        ("172.16.0.1", "10.1.2.3, 8.8.8.8", False),
        ("172.16.0.1", "10.1.2.3, what?", False),
        ("172.16.0.1", "", False),
        ("8.8.8.8", "10.1.2.3", False),
    ],
)
def test_a_network_behind_proxies(peer: str, told: str, allowed: bool) -> None:
    """The last address that is no proxy of ours counts: those before it are the client's tale."""
    access = Access(networks=["10.0.0.0/8"], trusted_proxies=["172.16.0.0/12"])
    assert access.allows(forwarded(told), peer) is allowed


def test_a_proxy_that_is_trusted_is_not_near_itself() -> None:
    """Whoever asks through it is not the proxy."""
    access = Access(networks=["172.16.0.0/12"], trusted_proxies=["172.16.0.0/12"])
    assert not access.allows([], "172.16.0.1")


@pytest.mark.parametrize("token", ["", "short", "0123456789abcde"])
def test_a_short_token_is_refused(token: str) -> None:
    """An unset variable must not open the door."""
    with pytest.raises(ValueError, match="openssl"):
        Access(token)
