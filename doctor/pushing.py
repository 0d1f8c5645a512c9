"""A request of OTLP metrics -> what a receiver says to it, over HTTP or gRPC.

Comes in: an address and bytes. Goes out: an `Answer`. The SDK's exporters keep to themselves why a
push failed, and try again for long; this tries once.

https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from doctor.asking import ASK_SECONDS, Failure, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOBUF = "application/x-protobuf"
_METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


@dataclass(frozen=True)
class Receiver:
    """Where a push goes, and with what."""

    is_grpc: bool
    address: str = field(repr=False)
    """Over HTTP the whole address, over gRPC host and port."""
    where: str
    """Host and port, to be told."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_secure: bool = False
    """Whether gRPC speaks TLS; over HTTP the address says so."""
    authority: str | None = None
    """Files, as the three of the exporters' settings; None: the system's authorities."""
    certificate: str | None = None
    key: str | None = None
    name: str = ""
    """The name in the receiver's certificate, where it is another than that of the host."""
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    @property
    def shows_login(self) -> bool:
        """Whether a header is sent that may say who is there."""
        return bool(self.headers)


class Answer(NamedTuple):
    """What came back."""

    failure: Failure | None = None
    status: int = 0
    """As HTTP has it, also of gRPC; 0 where there was no answer."""
    skew_seconds: float | None = None
    rejected: int = 0
    """Points that a partial success names."""
    is_otlp: bool = True
    """False: somebody said yes to something, and it was no receiver."""


def push(to: Receiver, request: ExportMetricsServiceRequest) -> Answer:
    """Push once; raises nothing that a receiver could be the reason of."""
    return _over_grpc(to, request) if to.is_grpc else _over_http(to, request)


def _over_http(to: Receiver, request: ExportMetricsServiceRequest) -> Answer:
    heard = ask(
        to.session,
        "POST",
        to.address,
        data=request.SerializeToString(),
        headers={**to.headers, "Content-Type": PROTOBUF},
        verify=to.authority or True,
        cert=(to.certificate, to.key) if to.certificate and to.key else to.certificate,
    )
    if heard.failure or heard.status != 200:
        return Answer(heard.failure, heard.status, heard.skew_seconds)
    if not heard.content_type.startswith(PROTOBUF):
        return Answer(None, 200, heard.skew_seconds, is_otlp=False)
    try:
        said = ExportMetricsServiceResponse.FromString(heard.body)
    except DecodeError:
        return Answer(None, 200, heard.skew_seconds, is_otlp=False)
    return Answer(None, 200, heard.skew_seconds, said.partial_success.rejected_data_points)


def _over_grpc(to: Receiver, request: ExportMetricsServiceRequest) -> Answer:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it would write to standard error
    try:
        import grpc  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError:
        return Answer(Failure.LIBRARY)
    try:
        channel = _channel(grpc, to)
    except (OSError, ValueError):
        return Answer(Failure.CERTIFICATE)
    with channel:
        export = channel.unary_unary(
            _METHOD,
            ExportMetricsServiceRequest.SerializeToString,
            ExportMetricsServiceResponse.FromString,
        )
        metadata = [(key.lower(), value) for key, value in to.headers.items()]
        try:
            said = export(request, timeout=ASK_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return _refused(grpc, error)
        except (ValueError, TypeError):  # of headers that gRPC cannot carry
            return Answer(Failure.ADDRESS)
    return Answer(None, 200, None, said.partial_success.rejected_data_points)


def _channel(grpc: Any, to: Receiver) -> Any:  # noqa: ANN401 - grpc has no types
    if not to.is_secure:
        return grpc.insecure_channel(to.address)
    files = [Path(one).read_bytes() if one else None for one in (to.authority, to.key)]
    chain = Path(to.certificate).read_bytes() if to.certificate else None
    options = [("grpc.ssl_target_name_override", to.name)] if to.name else []
    return grpc.secure_channel(to.address, grpc.ssl_channel_credentials(*files, chain), options)


def _refused(grpc: Any, error: Any) -> Answer:  # noqa: ANN401 - likewise
    code, text = error.code(), (error.details() or "").lower()
    statuses = {
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "UNIMPLEMENTED": 404,
        "RESOURCE_EXHAUSTED": 413,
        "INTERNAL": 400,
    }
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Answer(Failure.TIMEOUT)
    if code is not grpc.StatusCode.UNAVAILABLE:
        return Answer(None, statuses.get(code.name, 500))
    # What gRPC's core says of connections: there is no code that tells them apart.
    kinds = {
        "connection refused": Failure.REFUSED,
        "dns resolution failed": Failure.NAME,
        "name resolution": Failure.NAME,
        "domain name": Failure.NAME,
        "http1.x server": Failure.PROTOCOL,
        "wrong_version_number": Failure.NO_TLS,
        "certificate_verify_failed": Failure.UNTRUSTED,
        "certificate verify failed": Failure.UNTRUSTED,
        "peer name": Failure.UNTRUSTED,
        "certificate_required": Failure.CLIENT,
        "ssl handshake failed": Failure.NO_TLS,
        "tls handshake": Failure.NO_TLS,
        "failed to connect": Failure.PROTOCOL,
        "socket closed": Failure.PROTOCOL,
        "connection reset": Failure.PROTOCOL,
        "settings frame": Failure.PROTOCOL,
    }
    found = next((kind for said, kind in kinds.items() if said in text), None)
    return Answer(found) if found else Answer(None, 503)
