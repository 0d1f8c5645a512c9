"""Lines of htpasswd -> users, and whether a password is theirs.

The kinds of hashes that the real collector takes and that are worth taking: bcrypt, salted and
plain SHA-1, and no hash at all. Those of crypt (MD5, SHA-256, SHA-512) are refused by name. No
message here repeats a name or a hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Matches = Callable[[bytes], bool]

_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_BCRYPT_COST_MAX = 14
"""About a second; each step more takes twice as long."""
_BCRYPT_BYTES_MAX = 72
"""More of a password bcrypt cannot tell apart."""
_OTHERS = {
    "$apr1$": "MD5 of Apache",
    "$1$": "MD5 of crypt",
    "$2x$": "an old bcrypt",
    "$5$": "SHA-256 of crypt",
    "$6$": "SHA-512 of crypt",
}
_ADVICE = "use bcrypt: htpasswd -B"
_SHA1_BYTES = 20


class BadLine(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A line that cannot be used; the text says why, and nothing of what it holds."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number}: {what}")


def parse(text: str) -> Mapping[str, Matches]:
    """Return users by name; of two with the same name the later counts. Raises BadLine."""
    users: dict[str, Matches] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()  # noqa: PLW2901 - blanks around a line are no part of it
        if not line or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        if not colon:
            raise BadLine(number, "expects NAME:PASSWORD")
        try:
            users[name] = _matcher(hashed)
        except ValueError as error:
            raise BadLine(number, str(error)) from None
    return users


def _matcher(hashed: str) -> Matches:
    """Return what knows a password; raises ValueError, whose text never holds the hash."""
    for prefix, kind in _OTHERS.items():
        if hashed.startswith(prefix):
            raise ValueError(f"{kind} is not supported by this engine, {_ADVICE}")
    if hashed.startswith("$2"):
        return _bcrypt(hashed)
    if hashed.startswith("{SHA}"):
        return _sha1(hashed.removeprefix("{SHA}"), salted=False)
    if hashed.startswith("{SSHA}"):
        return _sha1(hashed.removeprefix("{SSHA}"), salted=True)
    password = hashed.removeprefix("{PLAIN}")
    if not password:
        raise ValueError("an empty password lets everybody in")
    return _plain(password)


def _bcrypt(hashed: str) -> Matches:
    found = _BCRYPT.fullmatch(hashed)
    if not found:
        raise ValueError("this is no bcrypt")
    if int(found[1]) > _BCRYPT_COST_MAX:
        raise ValueError(f"bcrypt of a cost above {_BCRYPT_COST_MAX} takes too long for a server")
    expected = hashed.encode()
    return lambda password: (
        len(password) <= _BCRYPT_BYTES_MAX and bcrypt.checkpw(password, expected)
    )


def _sha1(encoded: str, *, salted: bool) -> Matches:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    expected, salt = decoded[:_SHA1_BYTES], decoded[_SHA1_BYTES:]
    if len(expected) != _SHA1_BYTES or (bool(salt) and not salted):
        raise ValueError("this is no SHA-1")

    def matches(password: bytes) -> bool:
        digest = hashlib.sha1(password + salt, usedforsecurity=False).digest()
        return hmac.compare_digest(digest, expected)

    return matches


def _plain(password: str) -> Matches:
    expected = password.encode()
    return lambda given: hmac.compare_digest(given, expected)
