"""Who may speak to a server: the keys `tls` and `auth`, alike for HTTP and gRPC.

In: the section of a server. Out: `settings.Access`; what cannot be followed is refused by name. It
opens no file: whether certificates are any good shows when the server starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.otelcol import CAN_RUN_IT, NOT_HERE
from collector.settings import Access, Tls

if TYPE_CHECKING:
    from collector.fields.section import Section

VERSIONS = ("", "1.2", "1.3")
"""Empty is the default, as in the Collector."""
OLD_VERSIONS = ("1.0", "1.1")
"""https://www.rfc-editor.org/rfc/rfc8996 has ended them."""
_ECDHE = ("TLS_ECDHE_ECDSA_WITH_{}", "TLS_ECDHE_RSA_WITH_{}")
_CIPHERS = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
CIPHER_SUITES = tuple(suite.format(cipher) for suite in _ECDHE for cipher in _CIPHERS)
"""Of TLS 1.2; those of TLS 1.3 cannot be chosen, in the Collector neither."""
ELSEWHERE_CIPHER_SUITES = tuple(
    suite.format(cipher) for suite in _ECDHE for cipher in ("AES_128_CBC_SHA", "AES_256_CBC_SHA")
)


def read(section: Section) -> Access:
    """Read both keys.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/configtls
    https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/configauth
    """
    auth, tls = section.section("auth"), section.section("tls")
    auth.elsewhere("request_params")
    if "auth" in section:
        auth.require("authenticator")
    if "tls" in section:
        tls.require("cert_file", "key_file")
    settings = _tls(tls)
    return Access(settings if "tls" in section else None, auth.reference("authenticator"))


def _tls(section: Section) -> Tls:
    section.elsewhere(
        "ca_file",
        "ca_pem",
        "cert_pem",
        "curve_preferences",
        "include_insecure_cipher_suites",
        "include_system_ca_certs_pool",
        "key_pem",
        "tpm",
    )
    lowest = section.choice("min_version", VERSIONS, "", OLD_VERSIONS) or Tls.min_version
    highest = section.choice("max_version", VERSIONS, "", OLD_VERSIONS) or Tls.max_version
    if lowest > highest:
        section.mistake("min_version", "cannot be greater than max_version")
    reload_seconds = section.seconds("reload_interval")
    if reload_seconds < 0:
        section.mistake("reload_interval", "must not be negative")
    return Tls(
        cert_file=section.text("cert_file"),
        key_file=section.text("key_file"),
        client_ca_file=section.text("client_ca_file"),
        min_version=lowest,
        max_version=highest,
        cipher_suites=_cipher_suites(section),
        reload_seconds=reload_seconds,
        reload_client_ca=section.flag("client_ca_file_reload"),
    )


def _cipher_suites(section: Section) -> tuple[str, ...]:
    names = section.names("cipher_suites")
    for line, text, shown in names:
        if text in ELSEWHERE_CIPHER_SUITES:
            section.mistake("cipher_suites", f"{shown} is {NOT_HERE}", CAN_RUN_IT, line)
        elif text not in CIPHER_SUITES:
            what = f"{shown} is no cipher suite of TLS 1.2 that is safe"
            section.mistake(
                "cipher_suites", what, f"allowed here: {', '.join(CIPHER_SUITES)}", line
            )
    return tuple(name.text for name in names)
