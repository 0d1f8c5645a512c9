"""`tls` of a server -> what speaks it, from files that may change.

In: settings, and the time. Out: an SSLContext for HTTP, PEM for gRPC. A message names files and
never repeats what they hold.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from collector.server.listening import ListenError

if TYPE_CHECKING:
    from collector.settings import Tls

log = logging.getLogger(__name__)

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CIPHERS = {"AES_128_GCM_SHA256": "AES128-GCM-SHA256", "AES_256_GCM_SHA384": "AES256-GCM-SHA384"}
_CIPHERS["CHACHA20_POLY1305_SHA256"] = "CHACHA20-POLY1305"
"""OpenSSL's names by those of the standards."""


class Certificates:
    """A server's certificate, key and clients' authorities, as they were last read."""

    def __init__(self, settings: Tls, path: str, now: float) -> None:
        """`path` is the server's in the configuration. Raises ListenError."""
        self.settings = settings
        self._path = f"{path}::tls"
        self.context = self._read()
        """For the next connection; those that are open keep theirs."""
        self.generation = 0
        """Grows whenever the files were read anew."""
        self._read_at = now
        self._authorities_ns = self._changed_ns()

    def tick(self, now: float) -> None:
        """Read the files anew where it is time; what cannot be used leaves all as it was."""
        settings = self.settings
        due = settings.reload_seconds and now >= self._read_at + settings.reload_seconds
        changed = settings.reload_client_ca and self._changed_ns() != self._authorities_ns
        if not (due or changed):
            return
        self._read_at = now
        self._authorities_ns = self._changed_ns()
        try:
            self.context = self._read()
        except ListenError as error:
            log.warning("%s; the certificates stay as they were", error)
        else:
            self.generation += 1

    def _read(self) -> ssl.SSLContext:
        settings = self.settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[settings.min_version]
        context.maximum_version = _VERSIONS[settings.max_version]
        if settings.cipher_suites:
            context.set_ciphers(":".join(map(_openssl_name, settings.cipher_suites)))
        what = f"{settings.cert_file} with {settings.key_file}"
        try:
            # A key that has a passphrase would otherwise be asked for on the terminal.
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
            if settings.client_ca_file:
                what = settings.client_ca_file
                context.load_verify_locations(what)
                context.verify_mode = ssl.CERT_REQUIRED
            self.pem = _pem(settings)
        except ssl.SSLError as error:
            why = (error.reason or "not PEM").lower().replace("_", " ")
            raise ListenError(f"{self._path}: {what}: {why}") from None
        except (OSError, ValueError) as error:
            unsaid = "cannot be used"
            why = (error.strerror or unsaid) if isinstance(error, OSError) else unsaid
            raise ListenError(f"{self._path}: {what}: {why}") from None
        return context

    def _changed_ns(self) -> int:
        """When the authorities' file was last changed; 0 where there is none."""
        file = Path(self.settings.client_ca_file)
        return file.stat().st_mtime_ns if file.is_file() else 0


def _pem(settings: Tls) -> tuple[bytes, bytes, bytes | None]:
    """Return key, certificates and clients' authorities, if any, as the files hold them."""
    authorities = settings.client_ca_file
    return (
        Path(settings.key_file).read_bytes(),
        Path(settings.cert_file).read_bytes(),
        Path(authorities).read_bytes() if authorities else None,
    )


def _openssl_name(suite: str) -> str:
    """Return what OpenSSL calls a suite of TLS 1.2."""
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    return f"{exchange.replace('_', '-')}-{_CIPHERS[cipher]}"
