"""Where the state of a worker lies: directories by the environment, one file per node name.

Comes in: the environment, a node name, a state. Goes out: a file that is whole at every moment, or
what was in it. Nothing but `os` is imported: it is in the way of every probe.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from telemetry.health.state import State, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARIABLE = "PORTLESS_STATE_DIR"
_BEGIN, _END = "health-", ".json"
_BYTES_MAX = 65_536
"""A state takes some 400; what is longer is not ours."""
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@")


class UnusableError(OSError):
    """A directory that cannot be used; the message says which one, why, and what to do."""


def directories(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where to look, the first that works is where to write.

    PORTLESS_STATE_DIR alone if it is set; else one in the user's runtime directory, which the
    system clears, or in the directory for temporary files, marked with the user's number.
    """
    given = environ.get(VARIABLE, "").strip()
    if given:
        return (given,)
    runtime = environ.get("XDG_RUNTIME_DIR", "").strip()
    temporary = next((environ[name] for name in ("TMPDIR", "TEMP", "TMP") if environ.get(name)), "")
    user = os.getuid() if hasattr(os, "getuid") else "user"  # Windows: TEMP is the user's own
    fallback = os.path.join(temporary or "/tmp", f"portless-{user}")  # noqa: S108 - `writable` checks whose it is
    return (*([os.path.join(runtime, "portless")] if runtime else []), fallback)


def writable(environ: Mapping[str, str]) -> str:
    """The directory for this worker's file, made if need be. Raises `UnusableError`."""
    found = directories(environ)
    given = bool(environ.get(VARIABLE, "").strip())
    for directory in found[:-1]:
        try:
            return _usable(directory, private=not given)
        except UnusableError:
            continue
    return _usable(found[-1], private=not given)


def _usable(directory: str, *, private: bool) -> str:
    advice = f"set {VARIABLE} to a directory that this user can write to, such as an emptyDir"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        status = os.lstat(directory)
    except OSError as error:
        raise UnusableError(f"{directory}: {error.strerror}; {advice}") from error
    if private and hasattr(os, "getuid"):
        # Anybody may have made it first where everybody may write.
        foreign = not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid()
        if foreign or stat.S_IMODE(status.st_mode) & 0o022:
            raise UnusableError(f"{directory}: somebody else may write there; {advice}")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UnusableError(f"{directory}: not writable; {advice}")
    return directory


def path_of(directory: str, node: str) -> str:
    """The file of a node; two names never make one file."""
    plain = "".join(c if c in _PLAIN else f"%{ord(c):X}%" for c in node)
    return os.path.join(directory, f"{_BEGIN}{plain}{_END}")


def write(path: str, state: State) -> None:
    """Replace the file; whoever reads sees the old state or the new one. Raises OSError."""
    scratch = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    file = os.open(scratch, flags, 0o644)
    try:
        os.write(file, encode(state))
    finally:
        os.close(file)
    os.replace(scratch, path)


def remove(path: str) -> None:
    """Take the file away, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def read(path: str) -> State | None:
    """What is in the file; None if there is none. Raises OSError, ValueError for another's."""
    try:
        with open(path, "rb") as file:
            return decode(file.read(_BYTES_MAX))
    except FileNotFoundError:
        return None


def paths(places: Iterable[str]) -> list[str]:
    """Every worker's file in the first place that has any."""
    for directory in places:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue  # not made yet, or not ours
        found = [
            os.path.join(directory, name)
            for name in names
            if name.startswith(_BEGIN) and name.endswith(_END)
        ]
        if found:
            return found
    return []
