"""The gRPC server: calls come in, messages go to the service as bytes, and its answers out.

grpcio speaks HTTP/2 on threads of its own, within the limits it is given; everything here runs on
the event loop, as the engine wants it. A message is asked for only when its call may bring one, and
grpcio keeps no more of it until then than one window, 64 KiB. What a message means is not known.

grpcio is imported here alone: who speaks HTTP only can do without.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NoReturn, Protocol
from urllib.parse import unquote

import grpc
import grpc.aio

from collector.errors import Code, Refused, Unauthenticated
from collector.self_metrics import Sample, gauge
from collector.server import otlp_answers
from collector.server.door import OPEN, Door
from collector.server.grpc_options import server_options
from collector.server.limits import GRPC_LIMITS, Limit, limited
from collector.server.listening import ListenError, address
from collector.server.otlp_grpc import METHOD, OtlpGrpc, unimplemented
from collector.server.room import report

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from collector.server.otlp_grpc import Accepting
    from collector.server.tls import Certificates
    from collector.settings import OtlpGrpc as Settings

    Messages = AsyncIterator[bytes]

MESSAGE_SECONDS_MAX = 15.0
"""For a message to come in; the SDKs' exporters give up after ten."""
MESSAGES_MAX = 256
"""Messages that come in at once; further calls wait, and what they sent waits in a window."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Call(Protocol):
    """What is used of grpcio's `ServicerContext`."""

    async def read(self) -> object:
        """Return the next message as bytes, or something else where none comes."""

    def peer(self) -> str:
        """Return the address of who called."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        """Return what was sent beside the message."""

    async def abort(self, code: grpc.StatusCode, details: str, metadata: object) -> NoReturn:
        """End the call; raises what ends its handler."""


class GrpcServer:
    """One gRPC server of the collector."""

    def __init__(  # noqa: PLR0913 - what a server is made of
        self,
        name: str,
        engine: Accepting,
        settings: Settings,
        connections_max: int,
        clock: Callable[[], float],
        now: float,
        door: Door = OPEN,
    ) -> None:
        """`name` is a label of its numbers, `clock` the engine's time, `now` as for `tick`."""
        self.name = name
        self._settings = settings
        self._connections_max = connections_max
        self._now = now
        self._door = door
        self._counts: Counter[Limit] = Counter()
        self._service = OtlpGrpc(engine, settings.message_bytes_max, clock, self._counts)
        self._turns = asyncio.Semaphore(MESSAGES_MAX)
        self._calls: dict[Call, float] = {}
        """Whose message has not come, and when it must have."""
        self._endings: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket) -> None:
        """Accept calls from now on, on the address of a bound socket, which grpcio cannot take.

        Raises ListenError where somebody else got the address in this moment.
        """
        where = address(listening)
        listening.close()
        server = grpc.aio.server(options=server_options(self._settings, self._connections_max))
        server.add_generic_rpc_handlers((_Methods(self._export, self._other),))
        certificates = self._door.certificates
        try:
            if certificates:
                server.add_secure_port(where, _credentials(certificates))
            else:
                server.add_insecure_port(where)
        except RuntimeError:
            raise ListenError(f"{self.name}: cannot listen on {where}") from None
        await server.start()
        self._server = server

    def tick(self, now: float, date: str) -> None:  # noqa: ARG002 - as all servers are told
        """End calls whose message takes too long; seconds of any steady clock."""
        self._now = now
        self._door.tick(now)
        for call in [call for call, deadline in self._calls.items() if deadline < now]:
            del self._calls[call]
            self._counts[Limit.REQUEST_SECONDS] += 1
            ending = asyncio.get_running_loop().create_task(_end(call))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def drain(self, seconds: float) -> None:
        """Take no more calls, answer those under way, close everything after `seconds` at most."""
        await self._server.stop(seconds)

    def samples(self) -> list[Sample]:
        """Return the server's own numbers, for every limit from 0 on."""
        waiting = "Requests whose message is coming in."
        return [
            gauge("portless_server_requests", len(self._calls), waiting, server=self.name),
            *limited(self.name, GRPC_LIMITS, self._counts),
        ]

    async def _export(self, _: Messages, call: Call) -> bytes:
        """Answer a call; grpcio ends a refused one by an exception."""
        await self._let_in(call)
        if len(self._calls) >= self._connections_max:
            self._counts[Limit.REQUESTS] += 1
            await _refuse(call, Refused(Code.UNAVAILABLE, "too many requests at once"))
        message = await self._message(call)
        if message is None:
            self._counts[Limit.UNREAD] += 1
            await _refuse(call, Refused(Code.INTERNAL, "a message was announced and never came"))
        answer = self._answer(message)
        if isinstance(answer, Refused):
            await _refuse(call, answer)
        return answer

    def _answer(self, message: bytes) -> bytes | Refused:
        """Ask the service; a fault of ours costs one call, and its text stays unsaid."""
        try:
            return self._service.export(message)
        except Refused as refusal:
            return refusal
        except Exception as fault:  # noqa: BLE001 - whatever it is, the others are served on
            report(fault)
            return Refused(Code.INTERNAL, "internal server error")

    async def _other(self, call: Call, refusal: Refused) -> NoReturn:
        """Refuse a call for a method that is not served."""
        await self._let_in(call)
        await _refuse(call, refusal)

    async def _let_in(self, call: Call) -> None:
        """Ask at the door, before a message is read."""
        if self._door.networks and not self._door.admits(_host(call.peer())):
            self._counts[Limit.NETWORK] += 1
            await _refuse(call, Refused(Code.PERMISSION_DENIED, "not from this network"))
        try:
            self._door.check({} if self._door.authenticator is None else _metadata(call))
        except Refused as error:
            refusal = error
        else:
            return
        self._counts[Limit.AUTHENTICATION] += 1
        await _refuse(call, refusal)

    async def _message(self, call: Call) -> bytes | None:
        """Return the call's message; None where it is too long or its sender gave up."""
        self._calls[call] = self._now + MESSAGE_SECONDS_MAX
        try:
            async with self._turns:
                message = await call.read()
        finally:
            self._calls.pop(call, None)
        return message if isinstance(message, bytes) else None


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc] # grpcio has no types
    """Finds the method that a call is for, before anything of its message is read."""

    def __init__(
        self,
        export: Callable[[Messages, Call], object],
        other: Callable[[Call, Refused], Awaitable[NoReturn]],
    ) -> None:
        self._export = _as_bytes(export)
        self._other = other

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if details.method == METHOD:
            return self._export
        refusal = unimplemented(details.method)

        async def refuse(_: Messages, call: Call) -> None:
            await self._other(call, refusal)

        return _as_bytes(refuse)


def _as_bytes(method: Callable[[Messages, Call], object]) -> grpc.RpcMethodHandler:
    """Serve a method whose messages are not decoded.

    To grpcio it is one that takes a stream, which reads a message only when it is asked to.
    """
    return grpc.stream_unary_rpc_method_handler(method)


async def _refuse(call: Call, refusal: Refused) -> NoReturn:
    """End a call; raises what grpcio wants to be raised."""
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    if refusal.retryable:
        details = otlp_answers.status(refusal, retry_info=True)
        metadata = (("grpc-status-details-bin", details),)
    elif isinstance(refusal, Unauthenticated):
        metadata = (("www-authenticate", refusal.challenge),)
    await call.abort(_CODES[refusal.code], refusal.message, metadata)


async def _end(call: Call) -> None:
    try:
        await _refuse(call, Refused(Code.DEADLINE_EXCEEDED, "the message took too long to come in"))
    except grpc.aio.AbortError:
        return  # as every abort


def _host(peer: str) -> str:
    """Return the address in what grpcio calls a peer: `ipv4:10.0.0.1:80`, `ipv6:%5B::1%5D:80`."""
    address_and_port = unquote(peer).partition(":")[2]
    return address_and_port.rpartition(":")[0].strip("[]")


def _metadata(call: Call) -> dict[str, str]:
    """Return a call's metadata by name; of two with one name the first counts, as for grpc-go."""
    texts = [(key, value) for key, value in call.invocation_metadata() if isinstance(value, str)]
    return dict(reversed(texts))


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return credentials that follow the certificates; grpcio asks before every handshake."""
    shown = certificates.generation

    def configuration() -> grpc.ServerCertificateConfiguration:
        key, chain, authorities = certificates.pem
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)

    def newest() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        if certificates.generation == shown:
            return None
        shown = certificates.generation
        return configuration()

    needed = bool(certificates.settings.client_ca_file)
    return grpc.dynamic_ssl_server_credentials(configuration(), newest, needed)
