"""Who is let in: tokens and passwords, what is said to others, and that nothing of a secret is."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Code, Refused, Unauthenticated
from collector.server import htpasswd
from collector.server.auth import BURST_SECONDS, SHARE_OF_TIME, Basic, authenticator
from collector.server.listening import ListenError
from collector.settings import BasicAuth, BearerTokenAuth

if TYPE_CHECKING:
    from pathlib import Path

    from collector.server.auth import Authenticator
    from collector.settings import Authenticator as Settings


def made(settings: Settings) -> Authenticator:
    """Make an authenticator called x."""
    return authenticator("x", settings)


def refusal(asked: Authenticator, **headers: str) -> Refused:
    """Return why a request is not let in."""
    with pytest.raises(Refused) as caught:
        asked.check(headers)
    return caught.value


def basic(name: str, password: str) -> str:
    """Return the header Authorization for a name and a password."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def test_every_token_lets_in() -> None:
    """Behind the scheme, as one text."""
    asked = made(BearerTokenAuth(("one", "two")))
    for token in ("one", "two"):
        asked.check({"authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    "given_",
    [
        "one",
        "bearer one",
        "Bearer  one",
        "Bearer one ",
        "Bearer on",
        "Bearer onee",
        "Basic one",
        "Bearer é",
    ],
)
def test_another_token_does_not(given_: str) -> None:
    """The scheme is compared byte for byte, as in the real collector."""
    refused = refusal(made(BearerTokenAuth(("one", "two"))), authorization=given_)
    assert refused.message == "provided authorization does not match expected scheme or token"
    assert isinstance(refused, Unauthenticated)
    assert refused.challenge == "Bearer"


def test_no_token_is_said_so() -> None:
    """In the real collector's words."""
    for headers in ({}, {"authorization": ""}):
        refused = refusal(made(BearerTokenAuth(("one",))), **headers)
        assert refused.message == "missing or empty authorization header: Authorization"
        assert refused.code is Code.UNAUTHENTICATED


def test_header_and_scheme_can_be_others() -> None:
    """And a scheme can be missing."""
    asked = made(BearerTokenAuth(("one",), header="X-Key", scheme=""))
    asked.check({"x-key": "one"})
    assert refusal(asked, authorization="one").message.endswith("header: X-Key")
    made(BearerTokenAuth(("one",), scheme="Token")).check({"authorization": "Token one"})


def test_tokens_come_out_of_a_file_and_follow_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first word of every line; a file that is gone or empty changes nothing but the log."""
    caplog.set_level(logging.INFO)
    file = tmp_path / "tokens"
    file.write_text("one  for the first worker\n\n  two\n")
    asked = made(BearerTokenAuth(file=str(file)))
    for token in ("one", "two"):
        asked.check({"authorization": f"Bearer {token}"})
    refusal(asked, authorization="Bearer for")
    file.write_text("three\n")
    os.utime(file, ns=(1, 1))
    refusal(asked, authorization="Bearer three")
    asked.refresh()
    asked.check({"authorization": "Bearer three"})
    refusal(asked, authorization="Bearer one")
    assert "extensions::x: the tokens were read anew" in caplog.text
    for break_ in (lambda: file.write_text("\n"), file.unlink):
        break_()
        asked.refresh()
        asked.check({"authorization": "Bearer three"})
    assert "holds no token" in caplog.text
    assert "No such file" in caplog.text
    assert "three" not in caplog.text


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_file_without_tokens_does_not_start(tmp_path: Path, text: str | None) -> None:
    """Nobody could come in; the file is named."""
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ListenError, match=f"^extensions::x: {file}") as caught:
        made(BearerTokenAuth(file=str(file)))
    assert str(caught.value).endswith(("No such file or directory", "holds no token"))


PASSWORD = b"pass:word"
SSHA = base64.b64encode(hashlib.sha1(PASSWORD + b"salt").digest() + b"salt").decode()
HASHES = {
    "bcrypt": bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4)).decode(),
    "bcrypt of Apache": bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4)).decode().replace("$2b", "$2y"),
    "SHA": f"{{SHA}}{base64.b64encode(hashlib.sha1(PASSWORD).digest()).decode()}",
    "SSHA": f"{{SSHA}}{SSHA}",
    "plain": "pass:word",
    "plain of nginx": "{PLAIN}pass:word",
}


@pytest.mark.parametrize("hashed", HASHES.values(), ids=HASHES)
def test_a_password_is_known_by_its_hash(hashed: str) -> None:
    """Of every kind that is supported; and no other password is."""
    asked = Basic("x", BasicAuth(inline=f"# users\n\n  u:{hashed}  \n"), lambda: 0.0)
    asked.check({"authorization": basic("u", "pass:word")})
    asked.check({"authorization": basic("u", "pass:word").replace("Basic", "bASIC")})
    for name, password in (
        ("u", "pass:wor"),
        ("u", ""),
        ("v", "pass:word"),
        ("", ""),
        ("u", "x" * 100),
    ):
        assert refusal(asked, authorization=basic(name, password)).message == "invalid credentials"


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ("", "no basic auth provided"),
        ("Bearer x", "invalid authorization scheme prefix"),
        ("Basic", "invalid authorization scheme prefix"),
        ("Basic !", "invalid authorization format"),
        ("Basic dTpw OnY=", "invalid authorization format"),
        ("Basic dQ==", "invalid authorization format"),
        ("Basic /zo=", "invalid authorization format"),
    ],
)
def test_what_is_no_login_is_said_so(given_: str, message: str) -> None:
    """In the real collector's words, and with the challenge that it leaves out."""
    refused = refusal(made(BasicAuth(inline="u:p")), authorization=given_)
    assert isinstance(refused, Unauthenticated)
    assert refused.message == message
    assert refused.challenge == 'Basic realm="portless", charset="UTF-8"'


@given(st.text())
def test_any_header_has_an_answer(text: str) -> None:
    """Let in or refused, nothing else."""
    for settings in (BasicAuth(inline="u:p"), BearerTokenAuth(("t",))):
        refusal(made(settings), authorization=text)


def test_inline_comes_after_the_file(tmp_path: Path) -> None:
    """Of two passwords of one name the later counts."""
    file = tmp_path / "htpasswd"
    file.write_text("u:old\nv:other")
    asked = made(BasicAuth(str(file), "u:new"))
    asked.check({"authorization": basic("u", "new")})
    asked.check({"authorization": basic("v", "other")})
    refusal(asked, authorization=basic("u", "old"))


class Clock:
    """Time that passes while passwords are hashed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.per_look = 0.0

    def __call__(self) -> float:
        self.now += self.per_look
        return self.now


def test_guessing_does_not_take_the_servers_time() -> None:
    """Hashing has its share of the time; a login that is known is never hashed again."""
    clock = Clock()
    asked = Basic("x", BasicAuth(inline="u:p\nv:q"), clock)
    asked.check({"authorization": basic("u", "p")})
    clock.per_look = BURST_SECONDS / 2
    for _ in range(3):
        assert refusal(asked, authorization=basic("v", "guess")).code is Code.UNAUTHENTICATED
    clock.per_look = 0.0
    refused = refusal(asked, authorization=basic("v", "guess"))
    assert (refused.code, refused.message) == (
        Code.UNAVAILABLE,
        "too many passwords to check at once",
    )
    asked.check({"authorization": basic("u", "p")})
    clock.now += BURST_SECONDS / SHARE_OF_TIME
    asked.check({"authorization": basic("v", "q")})


NOT_HERE = "is not supported by this engine, use bcrypt: htpasswd -B"
BAD_LINES = {
    "u:$apr1$12345678$hunter2": f"MD5 of Apache {NOT_HERE}",
    "u:$1$hunter2$hunter2": f"MD5 of crypt {NOT_HERE}",
    "u:$5$hunter2$hunter2": f"SHA-256 of crypt {NOT_HERE}",
    "u:$6$hunter2$hunter2": f"SHA-512 of crypt {NOT_HERE}",
    "u:$2x$10$hunter2": f"an old bcrypt {NOT_HERE}",
    "u:$2b$10$hunter2": "this is no bcrypt",
    f"u:$2b$20${'a' * 53}": "bcrypt of a cost above 14 takes too long for a server",
    "u:{SHA}hunter2": "this is no SHA-1",
    "u:{SSHA}hunter2": "this is no SHA-1",
    "u:": "an empty password lets everybody in",
    "u:{PLAIN}": "an empty password lets everybody in",
    "hunter2": "expects NAME:PASSWORD",
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.items())
def test_a_line_that_cannot_be_used_does_not_start(line: str, message: str) -> None:
    """The real collector passes over it, and whoever stands there is locked out without a word."""
    with pytest.raises(ListenError) as caught:
        made(BasicAuth(inline=f"v:w\n{line}"))
    assert str(caught.value) == f"extensions::x: line 2: {message}"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("inline", ["", "# nobody\n"])
def test_a_file_without_users_does_not_start(tmp_path: Path, inline: str) -> None:
    """Nor one that is not there."""
    with pytest.raises(ListenError, match="extensions::x: htpasswd names no user"):
        made(BasicAuth(inline=inline))
    file = tmp_path / "none"
    with pytest.raises(ListenError, match=f"htpasswd::file: {file}: No such file"):
        made(BasicAuth(str(file), inline))


@given(st.text())
def test_any_htpasswd_has_an_answer(text: str) -> None:
    """Users, or the line that is wrong."""
    with suppress(htpasswd.BadLine):
        htpasswd.parse(text)


def test_settings_do_not_show_their_secrets() -> None:
    """Whatever prints them."""
    assert "hunter2" not in f"{BasicAuth(inline='u:hunter2')} {BearerTokenAuth(('hunter2',))!r}"
