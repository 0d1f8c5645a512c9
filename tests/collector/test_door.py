"""Networks and names of servers, as the command line gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.server.door import Allowed, Door, network
from collector.server.listening import ListenError

SOME = (network("10.0.0.0/8"), network("fd00::/8"), network("192.0.2.7"))


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("fd00::1", True),
        ("fd00::1%eth0", True),
        ("fe80::1", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.0.0.1", False),
        ("::ffff:0.0.0.0", False),
        ("::1", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
def test_a_client_comes_from_a_network_or_not(host: str, *, admitted: bool) -> None:
    """IPv4 is known in both of its spellings; loopback is a network like any other."""
    assert Door(SOME).admits(host) is admitted
    assert Door().admits(host)


def test_networks_hold_for_one_server_or_for_all() -> None:
    """And allowing one server to be open leaves the others closed."""
    allowed = Allowed((("", SOME[0]), ("otlp_http", SOME[1])), ("health_check",))
    assert allowed.networks_of("otlp_http") == SOME[:2]
    assert allowed.networks_of("prometheus") == SOME[:1]
    assert allowed.may_be_open("health_check")
    assert not allowed.may_be_open("otlp_http")
    assert Allowed(open=("",)).may_be_open("otlp_http")
    assert not Allowed().may_be_open("")


def test_a_name_that_is_none_of_a_server_protects_nothing() -> None:
    """So it is refused."""
    for allowed in (Allowed((("otlp", SOME[0]),)), Allowed(open=("otlp",))):
        with pytest.raises(ListenError, match='no server is called "otlp", there are otlp_http'):
            allowed.refuse_unknown(["otlp_http"])
    Allowed((("", SOME[0]), ("otlp_http", SOME[0])), ("",)).refuse_unknown(["otlp_http"])


@given(st.ip_addresses(), st.lists(st.ip_addresses(), max_size=3))
def test_a_single_address_admits_itself_alone(host: object, others: list[object]) -> None:
    """Whatever it is."""
    known = [str(host), *map(str, others)]
    door = Door((network(known[0]),))
    assert [door.admits(one) for one in known] == [one == known[0] for one in known]
