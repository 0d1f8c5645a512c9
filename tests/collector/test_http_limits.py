"""Every limit of the HTTP server holds, answers where it can, and is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.server.limits import Limit, Limits
from collector.server.room import ASKING_SECONDS
from collector.settings import Timeouts
from tests.collector.echo import BODY_BYTES_MAX, LIMITS, LONG
from tests.collector.serving import eventually, request

if TYPE_CHECKING:
    from tests.collector.echo import Echo
    from tests.collector.serving import Client, Served


@pytest.mark.parametrize("headers", [{}, {"expect": "100-continue"}])
def test_a_long_body_is_refused_before_it_comes(
    served: Served, client: Client, headers: dict[str, str]
) -> None:
    """Its length alone tells; the connection ends, and the limit is counted."""
    whole = request(target="/a", body=b"x" * (BODY_BYTES_MAX + 1), **headers)
    reply = client.ask(whole[: -BODY_BYTES_MAX - 1])
    assert (reply.status, reply.body) == (400, b"/a: http: request body too large")
    assert reply.headers["connection"] == "close"
    assert client.rest() == b""
    assert served.counted(Limit.BODY_BYTES) == 1


def test_a_body_as_long_as_allowed_is_taken(client: Client) -> None:
    """The limit is the longest, not the shortest too long."""
    assert client.ask(request(body=b"x" * BODY_BYTES_MAX)).status == 200


def test_a_long_chunked_body_is_refused_when_it_is_too_long(served: Served, client: Client) -> None:
    """Nothing tells its length before."""
    client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"%x\r\n" % (BODY_BYTES_MAX + 1) + b"x" * (BODY_BYTES_MAX + 1))
    assert client.reply().body == b"/a: http: request body too large"
    assert client.rest() == b""
    assert served.counted(Limit.BODY_BYTES) == 1
    assert served.buffered_bytes == 0


def test_a_client_that_sends_on_still_reads_why_it_was_refused(served: Served) -> None:
    """Megabytes are on their way when the answer is written; they do not destroy it."""
    with served.client() as client:
        client.send(request(body=b"x" * 5_000_000))
        assert client.reply().status == 400


def test_a_client_that_is_gone_is_not_a_fault(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """Who closes before the refusal is written leaves nothing, not even a line in the log."""
    client = served.client()
    eventually(lambda: served.connections == 1)
    with served.busy():
        client.send(request(body=b"x" * 5000))
        client.close()
    eventually(lambda: served.connections == 0)
    assert caplog.text == ""


def test_a_client_that_never_stops_to_send_is_ended(served: Served) -> None:
    """What comes after a refusal is thrown away, but not for long."""
    with served.client() as client:
        client.send(b"garbage\r\n\r\n")
        assert client.reply().status == 400
        assert served.connections == 1
        served.later(LIMITS.linger_seconds + 1)
        eventually(lambda: served.connections == 0)


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", long="x" * LIMITS.header_bytes_max),
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * LIMITS.header_bytes_max + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nEndless: " + b"x" * LIMITS.header_bytes_max * 2,
        b"GET /" + b"x" * LIMITS.header_bytes_max * 2,
        request("GET", "/" + "x" * LIMITS.header_bytes_max),
    ],
    ids=["one", "many", "endless", "endless-target", "target"],
)
@pytest.mark.parametrize("piece", [500, 1_000_000])
def test_headers_have_a_limit(served: Served, client: Client, sent: bytes, piece: int) -> None:
    """Long, many or endless, whole or in pieces: 431, counted once."""
    for at in range(0, len(sent), piece):
        client.send(sent[at : at + piece])
    assert client.reply().status == 431
    assert client.rest() == b""
    assert served.counted(Limit.HEADER_BYTES) == 1


def test_trailers_have_the_limit_of_headers(served: Served, client: Client) -> None:
    """Also what comes behind a body is kept only so far."""
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"1\r\na\r\n0\r\nTrailer: ")
    client.send(b"x" * 1_000_000)
    assert client.reply().status == 431
    assert served.counted(Limit.HEADER_BYTES) == 1


@pytest.mark.parametrize(
    ("known", "head", "seconds", "limit"),
    [
        (False, 5, LIMITS.header_seconds_max, Limit.HEADER_SECONDS),
        (True, 5, LIMITS.header_seconds_max, Limit.HEADER_SECONDS),
        (False, -5, LIMITS.request_seconds_max, Limit.REQUEST_SECONDS),
        (True, -5, LIMITS.request_seconds_max, Limit.REQUEST_SECONDS),
    ],
    ids=["head", "known-head", "body", "body-behind-a-known-head"],
)
def test_a_slow_request_is_ended(
    served: Served, client: Client, *, known: bool, head: int, seconds: float, limit: Limit
) -> None:
    """From its first byte it has so long, however many bytes come meanwhile."""
    sent = request(body=b"0123456789")
    if known:
        client.ask(sent)
    client.send(sent[:head])
    with served.client() as another:  # answered after those bytes were read
        another.ask(sent)
    served.later(seconds - 1)
    client.send(sent[head : head + 2])
    served.later(2)
    assert client.reply().status == 408
    assert served.counted(limit) == 1


def test_an_idle_connection_is_ended(served: Served, client: Client) -> None:
    """Without a word, when it asked for nothing for long."""
    client.ask(request("GET"))
    served.later(LIMITS.idle_seconds_max - 1)
    client.ask(request("GET"))
    served.later(LIMITS.idle_seconds_max - 1)
    assert served.connections == 1
    served.later(2)
    assert client.rest() == b""
    assert served.counted(Limit.IDLE_SECONDS) == 1


def test_who_never_asks_is_ended(served: Served, client: Client) -> None:
    """An open connection alone is idle too."""
    eventually(lambda: served.connections == 1)
    served.later(LIMITS.request_seconds_max + 1)
    assert client.rest() == b""


def test_answers_wait_for_the_client_to_read(served: Served, client: Client, echo: Echo) -> None:
    """Long answers that nobody takes are not made in advance; all come when they are read."""
    client.send(request("GET", "/long") * 20 + request("GET", "/end"))
    eventually(lambda: bool(echo.asked))
    with served.client() as another:  # answered after all that the first one sent was read
        another.ask(request("GET"))
    assert len(echo.asked) < 5
    assert all(client.reply().body == LONG for _ in range(20))
    assert client.reply().body == b"GET /end "
    assert client.ask(request("GET", "/more")).body == b"GET /more "


def test_a_client_that_does_not_read_is_not_read_from(client: Client) -> None:
    """What it sends stays with it once the system's buffers are full."""
    client.send(request("GET", "/long"))
    with pytest.raises(TimeoutError):
        client.send(request(body=b"x" * BODY_BYTES_MAX) * 30_000, seconds=0.5)


def test_who_does_not_take_an_answer_is_ended(served: Served, client: Client) -> None:
    """A long answer is kept for a while only."""
    client.send(request("GET", "/long"))
    eventually(lambda: served.connections == 1)
    with served.client() as another:
        another.ask(request("GET"))
    served.later(LIMITS.response_seconds_max + 1)
    eventually(lambda: served.connections == 0)
    assert served.counted(Limit.RESPONSE_SECONDS) == 1


def test_a_new_connection_takes_the_place_of_one_that_is_idle(served: Served) -> None:
    """The one that was idle for longest; who is in the middle of a request stays."""
    clients = [served.client() for _ in range(3)]
    clients[0].send(request("GET")[:5])
    for client in clients[1:]:
        client.ask(request("GET"))
        served.later(1)
    clients.append(served.client())
    assert clients[3].ask(request("GET")).status == 200
    assert clients[1].rest() == b""
    assert clients[2].ask(request("GET")).status == 200
    clients[0].send(request("GET")[5:])
    assert clients[0].reply().status == 200
    assert served.counted(Limit.EVICTED) == 1
    for client in clients:
        client.close()


def test_a_connection_too_many_is_refused(served: Served) -> None:
    """With an answer, when everybody else is busy; and it costs nobody else anything."""
    busy = [served.client() for _ in range(3)]
    for client in busy:
        client.send(request("GET")[:5])
    eventually(lambda: served.connections == 3)
    with served.client() as client:
        assert client.reply().status == 503
        assert client.rest() == b""
    assert served.counted(Limit.CONNECTIONS) == 1
    for client in busy:
        client.send(request("GET")[5:])
        assert client.reply().status == 200
        client.close()


def test_who_asks_slowly_keeps_nobody_out(served: Served) -> None:
    """When there is no room, a head that takes long makes some; a body that comes in does not."""
    slow = [served.client() for _ in range(2)]
    whole = request(body=b"x" * 20)
    with served.client() as body:
        for client in slow:
            client.send(whole[:5])
        body.send(whole[:-5])
        eventually(lambda: served.connections == 3)
        eventually(lambda: served.buffered_bytes == 15)
        with served.client() as early:
            assert early.reply().status == 503
        served.later(ASKING_SECONDS + 1)
        with served.client() as client:
            assert client.ask(request("GET")).status == 200
        assert served.counted(Limit.EVICTED) == 1
        body.send(whole[-5:])
        assert body.reply().status == 200
    for client in slow:
        client.close()


def test_looking_for_room_in_vain_is_not_repeated(served: Served) -> None:
    """A flood of connections costs one look at all others a tick, not one each."""
    with served.client() as one, served.client() as two, served.client() as three:
        for client in (one, two, three):
            client.send(request(body=b"x" * 20)[:-5])
        eventually(lambda: served.buffered_bytes == 45)
        for _ in range(2):
            with served.client() as client:
                assert client.reply().status == 503
        one.send(b"x" * 5)
        assert one.reply().status == 200  # it is idle now, and nobody has looked again
        with served.client() as client:
            assert client.reply().status == 503
        served.later(1)
        with served.client() as client:
            assert client.ask(request("GET")).status == 200


def test_a_file_may_say_how_long_to_wait() -> None:
    """Longer or shorter than usual; a head never has longer than its request."""
    usual = Limits(connections_max=1)
    assert usual.patient(Timeouts()) == usual
    assert usual.patient(Timeouts(1.0, 2.0, 3.0, 4.0)) == Limits(
        connections_max=1,
        header_seconds_max=1.0,
        request_seconds_max=2.0,
        response_seconds_max=3.0,
        idle_seconds_max=4.0,
    )
    assert usual.patient(Timeouts(request_seconds=5.0)).header_seconds_max == 5.0
    assert usual.patient(Timeouts(header_seconds=90.0)).request_seconds_max == 90.0


def test_all_bodies_together_have_a_limit(served: Served) -> None:
    """The one with which it becomes too much is refused; what it held is free again."""
    whole = request(body=b"x" * BODY_BYTES_MAX)
    with served.client() as first, served.client() as second:
        first.send(whole[:-1])
        eventually(lambda: served.buffered_bytes == BODY_BYTES_MAX - 1)
        assert second.ask(whole).body == b"/: too many request bodies at once"
        assert served.counted(Limit.BUFFERED_BYTES) == 1
        first.send(whole[-1:])
        assert first.reply().status == 200
        assert served.buffered_bytes == 0


def test_a_body_that_breaks_off_is_let_go(served: Served) -> None:
    """Who disconnects in the middle leaves nothing behind."""
    with served.client() as client:
        client.send(request(body=b"x" * BODY_BYTES_MAX)[:-1])
        eventually(lambda: served.buffered_bytes > 0)
    eventually(lambda: served.connections == 0)
    assert served.buffered_bytes == 0
