"""HTTP/1 over real sockets: whatever is sent is answered, in order, and nobody pays for another."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from collector.server.limits import Limit
from collector.server.messages import PLAIN
from tests.collector.echo import LONG
from tests.collector.serving import DATE, eventually, request, serving

if TYPE_CHECKING:
    from tests.collector.echo import Echo
    from tests.collector.serving import Client, Served


def test_a_connection_is_kept(client: Client) -> None:
    """Request after request is answered on it, with all the headers an answer needs."""
    assert client.ask(request(target="/a", body=b"1")) == (
        200,
        {"content-type": PLAIN, "x-echo": "1", "date": DATE, "content-length": "9"},
        b"POST /a 1",
    )
    assert client.ask(request("GET", "/b")).body == b"GET /b "


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    """All at once, or a byte at a time: the answers are the same."""
    sent = b"".join(request(target=f"/{n}", body=b"b" * n) for n in range(20))
    client.send(sent)
    expected = [f"POST /{n} ".encode() + b"b" * n for n in range(20)]
    assert [client.reply().body for _ in range(20)] == expected
    for at in range(len(sent)):
        client.send(sent[at : at + 1])
    assert [client.reply().body for _ in range(20)] == expected


def test_headers_are_told_in_lower_case_and_joined(client: Client, echo: Echo) -> None:
    """A header that comes twice is one with both values."""
    client.ask(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a/b\r\nACCEPT: c/d\r\n\r\n")
    assert echo.asked[0].headers == {"host": "x", "accept": "a/b, c/d"}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/metrics", "/metrics"),
        ("/metrics?name[]=a#b", "/metrics"),
        ("/v1/%6detrics", "/v1/metrics"),
        ("http://proxy.example/metrics?x", "/metrics"),
        ("http://proxy.example", "/"),
    ],
)
def test_a_target_is_read_as_a_path(client: Client, echo: Echo, target: str, path: str) -> None:
    """Without the query, without scheme and host, decoded."""
    client.ask(request("GET", target))
    assert echo.asked[0].path == path


def test_http_1_0_closes_unless_asked_not_to(served: Served) -> None:
    """As its clients expect."""
    with served.client() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.reply().headers["connection"] == "close"
        assert client.rest() == b""
    with served.client() as client:
        for _ in range(2):
            reply = client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert reply.headers["connection"] == "keep-alive"


def test_who_wants_to_close_is_answered_and_closed(client: Client, echo: Echo) -> None:
    """What comes behind is not looked at."""
    client.send(request("GET", "/last", connection="close") + request("GET", "/more"))
    reply = client.reply()
    assert (reply.headers["connection"], reply.body) == ("close", b"GET /last ")
    assert client.rest() == b""
    assert len(echo.asked) == 1


def test_head_is_answered_without_a_body(client: Client) -> None:
    """But with the length that it would have had."""
    assert client.ask(request("HEAD"), bare=True).headers["content-length"] == "7"
    assert client.ask(request("GET")).body == b"GET / "


def test_a_chunked_body_is_put_together(client: Client) -> None:
    """Its trailers are read and left alone."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n")
    assert client.reply().body == b"POST / abcde"
    assert client.ask(request("GET")).body == b"GET / "


def test_who_asks_may_send_the_body(client: Client) -> None:
    """`Expect: 100-continue` is answered before the body comes."""
    whole = request(body=b"abc", expect="100-continue")
    assert client.ask(whole[:-3]).status == 100
    assert client.ask(whole[-3:]).body == b"POST / abc"


def test_who_asks_for_something_else_is_refused(client: Client) -> None:
    """No other expectation is known."""
    assert client.ask(request(body=b"abc", expect="miracles")).status == 417
    assert client.rest() == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    ],
    ids=["words", "tls", "host", "length", "lengths", "smuggling", "chunk", "version"],
)
def test_what_is_not_http_1_is_refused(served: Served, client: Client, sent: bytes) -> None:
    """A short answer, the end of that connection, and a count; the others are served on."""
    assert client.ask(sent).status == 400
    assert client.rest() == b""
    assert served.counted(Limit.MALFORMED) == 1
    with served.client() as another:
        assert another.ask(request("GET")).status == 200


def test_garbage_behind_a_request_does_not_cost_its_answer(client: Client) -> None:
    """First the answer, then the refusal."""
    client.send(request("GET", "/a") + b"garbage\r\n\r\n")
    assert client.reply().body == b"GET /a "
    assert client.reply().status == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upgrade_is_not_followed(client: Client, method: str) -> None:
    """The request is answered in the protocol that it came in, and then the connection ends."""
    sent = request(method, body=b"abc", connection="Upgrade, HTTP2-Settings", upgrade="h2c")
    reply = client.ask(sent)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert client.rest() == b""


def test_a_fault_costs_one_request(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The log says where it happened, and nothing of what the request held."""
    assert client.ask(request("GET", "/fault")).status == 500
    assert client.ask(request("GET")).status == 200
    assert "KeyError" in caplog.text
    assert "answer:" in caplog.text
    assert "label" not in caplog.text


def test_draining_answers_what_is_under_way(served: Served) -> None:
    """Idle connections end, requests in flight are answered, nobody new is taken."""
    with served.client() as idle, served.client() as busy:
        idle.ask(request("GET"))
        busy.send(request("GET", "/a")[:10])
        eventually(lambda: served.connections == 2)
        draining = served.begin_drain()
        assert idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            served.client()
        busy.send(request("GET", "/a")[10:])
        reply = busy.reply()
        assert (reply.headers["connection"], reply.body) == ("close", b"GET /a ")
        assert busy.rest() == b""
        draining.join()


def test_draining_lets_a_long_answer_be_read(served: Served, echo: Echo) -> None:
    """Whoever is reading reads to the end, and the server does not wait any longer."""
    with served.client() as client:
        client.send(request("GET", "/long"))
        eventually(lambda: bool(echo.asked))
        draining = served.begin_drain()
        assert client.reply().body == LONG
        assert client.rest() == b""
        draining.join()


def test_draining_ends(served: Served) -> None:
    """Who does not finish in time is cut off."""
    with served.client() as client:
        client.send(request("GET")[:5])
        eventually(lambda: served.connections == 1)
        served.drain(0.05)
        assert client.rest() == b""


def test_many_at_once_are_all_answered(echo: Echo) -> None:
    """Each connection gets its own answers."""
    found: dict[int, list[bytes]] = {}

    def push(served: Served, number: int) -> None:
        with served.client() as client:
            found[number] = [
                client.ask(request(target=f"/{number}", body=bytes([65 + turn]))).body
                for turn in range(20)
            ]

    with serving(echo) as served:
        threads = [threading.Thread(target=push, args=(served, n)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {
        n: [f"POST /{n} ".encode() + bytes([65 + turn]) for turn in range(20)] for n in range(20)
    }


def test_a_client_may_end_its_side_first(served: Served) -> None:
    """Who has asked and half closes is still answered."""
    with socket.create_connection(("127.0.0.1", served.port)) as one:
        one.sendall(request("GET"))
        one.shutdown(socket.SHUT_WR)
        assert one.makefile("rb").read().endswith(b"\r\n\r\nGET / ")


def test_a_fault_while_refusing_costs_one_connection(
    served: Served, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged as ours and not counted as the client's; the others are served on."""
    client.send(request(target="/fault", content_length="9999"))
    assert client.rest() == b""
    assert "KeyError" in caplog.text
    assert "label" not in caplog.text
    assert served.counted(Limit.MALFORMED) == 0
    with served.client() as another:
        assert another.ask(request("GET")).status == 200
