"""One question over HTTP -> its answer, or the kind of failure; never an exception, never a secret.

Comes in: a session, a method, an address. Goes out: `Heard`. It knows no protocol above HTTP. What
requests says in its exceptions is not repeated, as it quotes whole addresses.
"""

from __future__ import annotations

import enum
import socket
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK_SECONDS = 5.0
"""For each question; workers wait 2 s for a collector."""
SKEW_SECONDS_MAX = 30.0
"""Beyond, waits and ages that are taken from two clocks say little: runtimes are seconds."""


class Failure(enum.Enum):
    """Why there was no answer."""

    ADDRESS = "the address or a header is malformed"
    NAME = "the name of the host is not known"
    REFUSED = "nothing listens there"
    TIMEOUT = "it does not answer in time"
    NO_TLS = "it does not speak TLS, which https asks for"
    WANTS_TLS = "it speaks TLS, and is spoken to without"
    UNTRUSTED = "its certificate is not trusted: unknown authority, other name, or out of date"
    CERTIFICATE = "the files with certificates that are named on this side cannot be used"
    CLIENT = "it wants a client's certificate, and got none that it trusts"
    PROXY = "the proxy that the environment names does not let it through"
    PROTOCOL = "it answers in another protocol than it is spoken to"
    LIBRARY = "gRPC is asked for, and its library is not installed"


class Heard(NamedTuple):
    """An answer, or none."""

    failure: Failure | None = None
    status: int = 0
    content_type: str = ""
    body: bytes = b""
    skew_seconds: float | None = None
    """By how much the clock over there is ahead, to the second; None where it does not say."""


def ask(session: requests.Session, method: str, url: str, **options: Any) -> Heard:  # noqa: ANN401 - those of requests
    """Ask once, without following a redirection."""
    try:
        answer = session.request(method, url, timeout=ASK_SECONDS, allow_redirects=False, **options)
    except (requests.exceptions.RequestException, OSError) as error:
        return Heard(_failure(error))
    if answer.status_code == 400 and b"to an HTTPS server" in answer.content:
        return Heard(Failure.WANTS_TLS)  # in the words of Go's servers
    said = answer.headers
    kind = said.get("Content-Type", "")
    return Heard(None, answer.status_code, kind, answer.content, _skew(said))


def place_of(url: str) -> str:
    """Host and port of an address: what is told of it, as the rest may hold a secret."""
    return urlsplit(url if "://" in url else f"//{url}").netloc.rpartition("@")[2]


def _failure(error: Exception) -> Failure:
    if isinstance(error, requests.exceptions.SSLError):
        return _of_tls(str(error))
    if isinstance(error, requests.exceptions.ProxyError):
        return Failure.PROXY
    if isinstance(error, requests.exceptions.Timeout):
        return Failure.TIMEOUT
    if not isinstance(error, requests.exceptions.RequestException):
        return Failure.CERTIFICATE  # a file that is not there
    if isinstance(error, ValueError):  # all that requests has for addresses and headers
        return Failure.ADDRESS
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = getattr(reason, "__cause__", None) or getattr(reason, "__context__", None)
    if isinstance(cause, socket.gaierror):
        return Failure.NAME
    if type(reason).__name__ == "NewConnectionError":
        return Failure.REFUSED
    if "CERTIFICATE_REQUIRED" in str(error):
        return Failure.CLIENT
    return Failure.PROTOCOL


def _of_tls(text: str) -> Failure:
    if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
        return Failure.UNTRUSTED
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text or "BAD_CERTIFICATE" in text:
        return Failure.CLIENT
    if "PEM" in text or "KEY_VALUES_MISMATCH" in text:
        return Failure.CERTIFICATE
    return Failure.NO_TLS


def _skew(headers: Mapping[str, str]) -> float | None:
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
    except (KeyError, ValueError, TypeError):
        return None


def skewed(seconds: float | None) -> bool:
    """Whether a clock is too far from this machine's."""
    return seconds is not None and abs(seconds) > SKEW_SECONDS_MAX
