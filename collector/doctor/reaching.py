"""A server of the configuration -> how this machine speaks to it: address, TLS, login.

Comes in: what the file says of a server. Goes out: a session, headers, or a verdict on why there is
none. No proxy and no netrc have a say. The server's certificate has to be the one that the file
names: a token is shown to nobody else.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter

from collector.settings import BearerTokenAuth, Endpoint
from doctor.asking import ASK_SECONDS
from doctor.walk import Verdict, broken, unseen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.plan import Plan
    from collector.settings import Access, Tls

LOGIN = "PORTLESS_DOCTOR_LOGIN"
"""The variable with a name and a password, a colon between."""
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with


class Reached(NamedTuple):
    """How a server is spoken to."""

    base: str
    """http://HOST:PORT."""
    place: str
    """HOST:PORT."""
    session: requests.Session
    options: dict[str, Any]
    """Of each request."""
    headers: dict[str, str]
    name: str
    """The name in the server's certificate; empty without TLS."""
    tls: Tls | None


class Reaching:
    """Everything that is the same for all servers of a configuration."""

    def __init__(
        self, plan: Plan, environ: Mapping[str, str], client: tuple[str, str | None] | None
    ) -> None:
        self._plan = plan
        self._environ = environ
        self.client = client

    def reach(self, endpoint: Endpoint, access: Access) -> Reached | Verdict:
        """A way to a server, or why there is none."""
        host = _EVERYWHERE.get(endpoint.host, endpoint.host)
        place = f"[{host}]:{endpoint.port}" if ":" in host else f"{host}:{endpoint.port}"
        if not endpoint.port:
            what = "the file lets the system choose the port, and nobody knows which it chose"
            return broken(what, "write a port into the endpoint")
        headers = self._login(access.authenticator)
        if isinstance(headers, Verdict):
            return headers
        session, name = requests.Session(), ""
        session.trust_env = False
        options: dict[str, Any] = {"headers": headers}
        if access.tls:
            if access.tls.client_ca_file and not self.client:
                return unseen("it wants a client's certificate: give --client-cert, --client-key")
            context = _context(access.tls, self.client)
            if isinstance(context, Verdict):
                return context
            found = _shake(host, endpoint, context)
            if isinstance(found, Verdict):
                return found
            name = found
            session.mount("https://", _Own(context))
            options["verify"] = access.tls.cert_file
        base = f"{'https' if access.tls else 'http'}://{place}"
        return Reached(base, place, session, options, headers, name, access.tls)

    def _login(self, id_: str) -> dict[str, str] | Verdict:
        """What a server asks for, as a header."""
        if not id_:
            return {}
        settings = self._plan.authenticators[id_]
        if isinstance(settings, BearerTokenAuth):
            token = _token(settings)
            if token is None:
                what = f"extensions::{id_}: its file with tokens cannot be read, or holds none"
                return broken(what, "write a token a line into it, readable for the collector")
            return {settings.header: f"{settings.scheme} {token}".strip()}
        login = self._environ.get(LOGIN, "")
        if not login:
            return unseen(f"extensions::{id_} wants a name and a password: set {LOGIN}")
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


class _Own(HTTPAdapter):
    """Trusts the certificate of the file, under whatever name."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - of requests
        """Give every connection what is trusted."""
        options.update(ssl_context=self._context, assert_hostname=False)
        super().init_poolmanager(*arguments, **options)


def _token(settings: BearerTokenAuth) -> str | None:
    if not settings.file:
        return settings.tokens[0] if settings.tokens else None
    try:
        words = Path(settings.file).read_text().split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words else None


def _context(tls: Tls, client: tuple[str, str | None] | None) -> ssl.SSLContext | Verdict:
    """What trusts the certificates in the file and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(tls.cert_file)
        if client:
            context.load_cert_chain(*client, password="")
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "no PEM of certificates"
        what = f"{tls.cert_file}, or the client's certificate, cannot be read: {why}"
        return broken(what, "correct tls::cert_file, or run the doctor as the collector's user")
    return context


def _shake(host: str, endpoint: Endpoint, context: ssl.SSLContext) -> str | Verdict:
    """Shake hands; a name in the certificate, or what is wrong with it."""
    where = f"{host}:{endpoint.port}"
    try:
        with (
            socket.create_connection((host, endpoint.port), ASK_SECONDS) as plain,
            context.wrap_socket(plain) as spoken,
        ):
            names: Any = (spoken.getpeercert() or {}).get("subjectAltName", ())
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            what = f"the certificate of {where} has expired: no client trusts it"
            return broken(what, "renew it; reload_interval of tls has the file read again")
        what = f"the certificate of {where} is not the one in tls::cert_file"
        return broken(what, "restart the collector, or set reload_interval of tls")
    except ssl.SSLError:
        what = f"{where} does not speak TLS, which the file asks for"
        return broken(what, "restart the collector with this file")
    except (ConnectionRefusedError, socket.gaierror):
        return nothing_listens(where)
    except OSError as error:
        what = f"{where} takes no connection ({os.strerror(error.errno or 0)})"
        return broken(what, "see the collector's log")
    return str(next((value for kind, value in names if kind == "DNS"), "localhost"))


def nothing_listens(where: str) -> Verdict:
    """The collector does not run, or is elsewhere."""
    return broken(
        f"nothing listens at {where}",
        "start the collector with this file: portless-collector run --config …; if it runs, the "
        "environment variables that the file asks for differ from those of this shell",
    )
