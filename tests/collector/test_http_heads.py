"""A head that is known is not parsed: nobody can tell, whatever is sent and however it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.server import heads
from collector.server.limits import Limit
from tests.collector.echo import BODY_BYTES_MAX, LIMITS, Echo
from tests.collector.serving import request, serving

if TYPE_CHECKING:
    from tests.collector.serving import Client, Served

HEADERS = {"host": "x", "content-type": "a/b", "content-length": "3"}
PLAIN = b"POST /v1/metrics HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc"
EXTRAS: list[dict[str, str]] = [
    {},
    {"content_type": "application/x-protobuf"},
    {"connection": "keep-alive"},
    {"expect": "100-continue"},
]


def known(data: bytes = PLAIN) -> heads.Head:
    """The head that is learnt from a request."""
    head = heads.learn(data, "POST", "/v1/metrics", HEADERS)
    assert head is not None
    return head


def test_a_head_matches_with_any_length() -> None:
    """Only the digits of Content-Length may differ; what they are is told, and where they end."""
    head = known()
    assert head.headers == {"host": "x", "content-type": "a/b"}
    for length in (0, 3, 12345, 999_999_999):
        data = PLAIN.replace(b": 3\r", b": %d\r" % length)
        found = head.match(data)
        assert found == (length, len(data) - len(b"abc"))


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.replace(b"a/b", b"a/c"),
        PLAIN.replace(b"Host: x\r\n", b"Host: x\r\nExpect: 100-continue\r\n"),
        PLAIN.replace(b": 3", b": -3"),
        PLAIN.replace(b": 3", b": +3"),
        PLAIN.replace(b": 3", b": 3 "),
        PLAIN.replace(b": 3", b": 0x3"),
        PLAIN.replace(b": 3", b": "),
        PLAIN.replace(b": 3", b": 1234567890"),
        PLAIN[:-4],
        PLAIN[:40],
        b"",
    ],
)
def test_what_differs_in_anything_else_is_parsed(data: bytes) -> None:
    """Another header, another way to write the length, or a head that is not there as a whole."""
    assert known().match(data) is None


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (PLAIN, {**HEADERS, "connection": "close"}),
        (PLAIN, {**HEADERS, "expect": "100-continue"}),
        (PLAIN, {**HEADERS, "transfer-encoding": "chunked"}),
        (PLAIN, {"host": "x"}),
        (PLAIN, {**HEADERS, "content-length": "4"}),
        (PLAIN.replace(b"Host: x\r\n", b"Host: x\n"), HEADERS),
        (PLAIN.replace(b"Host: x", b"Content-Length: 3"), HEADERS),
        (PLAIN.replace(b"Host: x", b"X: " + b"x" * heads.HEAD_BYTES_MAX), HEADERS),
        (PLAIN[:50], HEADERS),
    ],
)
def test_a_head_that_is_odd_is_not_remembered(data: bytes, headers: dict[str, str]) -> None:
    """One that treats the connection, or writes its lines, in a way of its own is parsed again."""
    assert heads.learn(data, "POST", "/", headers) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["/a", "/b"]), st.sampled_from(EXTRAS), st.integers(0, 12)),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(0, 2000), max_size=8),
)
@settings(max_examples=60)
def test_answers_do_not_depend_on_what_is_known(
    asked: list[tuple[str, dict[str, str], int]], cuts: list[int]
) -> None:
    """Any requests, cut anywhere: each is answered for itself, in order."""
    sent = b"".join(request("POST", path, b"b" * size, **extra) for path, extra, size in asked)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    with serving(Echo(), LIMITS) as served, served.client() as client:
        for start, end in zip(bounds, bounds[1:]):
            client.send(sent[start:end])
        for path, _, size in asked:
            reply = client.reply()
            while reply.status == 100:
                reply = client.reply()
            assert reply.body == f"POST {path} ".encode() + b"b" * size


def test_a_known_head_meets_the_same_limits(client: Client, served: Served) -> None:
    """A body that is too long behind a head that is known is refused by its length."""
    assert client.ask(request(target="/a", body=b"1")).status == 200
    assert client.ask(request(target="/a", body=b"22")).body == b"POST /a 22"
    client.send(request(target="/a", body=b"x" * (BODY_BYTES_MAX + 1)))
    reply = client.reply()
    assert (reply.status, reply.body) == (400, b"/a: http: request body too large")
    assert served.counted(Limit.BODY_BYTES) == 1


def test_a_body_behind_a_known_head_must_come_in_time(client: Client, served: Served) -> None:
    """Who stops in the middle of it is told so, and nothing is kept of it."""
    assert client.ask(request(target="/a", body=b"1")).status == 200
    client.send(request(target="/a", body=b"22")[:-1])
    with served.client() as another:  # answered after all that the first one sent was read
        another.ask(request("GET", "/b"))
    served.later(LIMITS.request_seconds_max + 1)
    assert client.reply().status == 408
    assert served.buffered_bytes == 0
