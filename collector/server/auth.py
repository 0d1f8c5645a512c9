"""Who is there: a request's headers -> let in, or the refusal that says what to show.

The words are those of the real collector's extensions `basicauth` and `bearertokenauth`; it sends
no challenge, here every refusal has one (https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).
Secrets are compared in constant time, and no text here holds one. Bodies and sockets are not known.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collector.errors import Code, Refused, Unauthenticated
from collector.server.listening import ListenError
from collector.settings import BearerTokenAuth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from collector.server.htpasswd import Matches
    from collector.settings import Authenticator as Settings
    from collector.settings import BasicAuth

log = logging.getLogger(__name__)

KNOWN_MAX = 10_000
"""Logins that are remembered, so that their passwords are not hashed again."""
SHARE_OF_TIME = 0.2
"""That hashing passwords may take in the long run: bcrypt is slow for who guesses, and for us."""
BURST_SECONDS = 1.0
"""Of hashing at once, as after a restart, when nobody's login is remembered."""
CHALLENGE_BASIC = 'Basic realm="portless", charset="UTF-8"'


class Authenticator(Protocol):
    """What a server asks."""

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request in, by its headers with names in lower case. Raises Refused."""

    def refresh(self) -> None:
        """Look, about once a second, whether what is known has changed."""


def authenticator(id_: str, settings: Settings) -> Authenticator:
    """Make an authenticator, its files read. Raises ListenError, which names the extension."""
    if isinstance(settings, BearerTokenAuth):
        return Bearer(id_, settings)
    return Basic(id_, settings, time.monotonic)


class Bearer:
    """One of some tokens in a header."""

    def __init__(self, id_: str, settings: BearerTokenAuth) -> None:
        self._id = id_
        self._settings = settings
        self._header = settings.header.lower()
        self._challenge = settings.scheme or "Bearer"
        self._changed_ns = 0
        if settings.file:
            self._expected = self._read()
        else:
            self._expected = self._values(settings.tokens)

    def check(self, headers: Mapping[str, str]) -> None:
        """Compare with every token, however soon one is found."""
        given = headers.get(self._header, "")
        if not given:
            text = f"missing or empty authorization header: {self._settings.header}"
            raise Unauthenticated(text, self._challenge)
        value = given.encode("latin-1", errors="replace")
        found = [hmac.compare_digest(value, expected) for expected in self._expected]
        if not any(found):
            text = "provided authorization does not match expected scheme or token"
            raise Unauthenticated(text, self._challenge)

    def refresh(self) -> None:
        """Read the file again where it has changed; one that cannot be read changes nothing."""
        if not self._settings.file:
            return
        try:
            if os.stat(self._settings.file).st_mtime_ns != self._changed_ns:  # noqa: PTH116 - no Path a second
                self._expected = self._read()
                log.info("extensions::%s: the tokens were read anew", self._id)
        except (OSError, ListenError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            log.warning("extensions::%s: the tokens stay as they were: %s", self._id, why)

    def _read(self) -> list[bytes]:
        """Read the file: the first word of every line is a token, as in the real collector."""
        file = Path(self._settings.file)
        text = _text(file, f"extensions::{self._id}")
        self._changed_ns = file.stat().st_mtime_ns
        tokens = [line.split()[0] for line in text.splitlines() if line.split()]
        if not tokens:
            raise ListenError(f"extensions::{self._id}: {file} holds no token")
        return self._values(tokens)

    def _values(self, tokens: Sequence[str]) -> list[bytes]:
        scheme = f"{self._settings.scheme} " if self._settings.scheme else ""
        return [f"{scheme}{token}".encode() for token in tokens]


class Basic:
    """A user name and its password."""

    def __init__(self, id_: str, settings: BasicAuth, clock: Callable[[], float]) -> None:
        """`clock` tells seconds of a steady clock."""
        self._users = _users(id_, settings)
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._known: set[bytes] = set()
        self._credit_seconds = BURST_SECONDS
        self._credited_at = clock()

    def check(self, headers: Mapping[str, str]) -> None:
        """Compare with the user's hash, or with any other if there is no such user."""
        name, password = _credentials(headers.get("authorization", ""))
        login = name.encode() + b":" + password
        proof = hmac.digest(self._key, login, hashlib.sha256)
        if proof in self._known:
            return
        if not self._matches(name, password):
            raise Unauthenticated("invalid credentials", CHALLENGE_BASIC)
        if len(self._known) < KNOWN_MAX:
            self._known.add(proof)

    def refresh(self) -> None:
        """Do nothing: the real collector does not read its file again either."""

    def _matches(self, name: str, password: bytes) -> bool:
        """Hash a password, if there is time for that. Raises Refused."""
        began = self._clock()
        earned = (began - self._credited_at) * SHARE_OF_TIME
        self._credit_seconds = min(BURST_SECONDS, self._credit_seconds + earned)
        self._credited_at = began
        if self._credit_seconds <= 0:
            raise Refused(Code.UNAVAILABLE, "too many passwords to check at once")
        known = self._users.get(name)
        matches = (known or next(iter(self._users.values())))(password)
        self._credit_seconds -= self._clock() - began
        return matches and known is not None


def _users(id_: str, settings: BasicAuth) -> Mapping[str, Matches]:
    from collector.server import htpasswd  # noqa: PLC0415 - bcrypt is for those who use it

    users: dict[str, Matches] = {}
    for file, text in ((settings.file, ""), ("", settings.inline)):
        where = f"extensions::{id_}"
        if file:
            where = f"{where}::htpasswd::file"
            text = _text(Path(file), where)  # noqa: PLW2901 - the file's text instead of none
        try:
            users.update(htpasswd.parse(text))
        except htpasswd.BadLine as error:
            raise ListenError(f"{where}: {error}") from None
    if not users:
        raise ListenError(f"extensions::{id_}: htpasswd names no user")
    return users


def _credentials(header: str) -> tuple[str, bytes]:
    """Return name and password."""
    if not header:
        raise Unauthenticated("no basic auth provided", CHALLENGE_BASIC)
    scheme, blank, encoded = header.partition(" ")
    if scheme.lower() != "basic" or not blank:
        raise Unauthenticated("invalid authorization scheme prefix", CHALLENGE_BASIC)
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
        if colon:
            return name.decode(), password
    except (binascii.Error, ValueError):
        pass  # as what has no colon
    raise Unauthenticated("invalid authorization format", CHALLENGE_BASIC)


def _text(file: Path, where: str) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ListenError(f"{where}: {file}: {why}") from None
