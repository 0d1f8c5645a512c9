"""Steps -> verdicts, told one by one; what stands behind the first broken one is not looked at.

Comes in: names, places, and what looks. Goes out: a table and an explanation, or one JSON object,
and the exit code. It knows no hop.
"""

from __future__ import annotations

import json
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_WORDS = {True: "ok", False: "BROKEN", None: "-"}


class Verdict(NamedTuple):
    """What is known of a hop."""

    ok: bool | None
    """None: it was not looked at."""
    what: str
    todo: str = ""


class Step(NamedTuple):
    """A hop that is to be looked at."""

    name: str
    where: str
    """The place at which it would have to be mended."""
    look: Callable[[], Verdict]


class Hop(NamedTuple):
    """A hop and its verdict."""

    name: str
    ok: bool | None
    what: str
    where: str
    todo: str


def fine(what: str) -> Verdict:
    """All is well there."""
    return Verdict(ok=True, what=what)


def broken(what: str, todo: str) -> Verdict:
    """Nothing goes on from there."""
    return Verdict(ok=False, what=what, todo=todo)


def unseen(why: str) -> Verdict:
    """It was not looked at."""
    return Verdict(ok=None, what=f"not looked at: {why}")


def walk(steps: Sequence[Step]) -> Iterator[Hop]:
    """Every hop in its order, those behind a broken one unseen."""
    stopped = ""
    for name, where, look in steps:
        verdict = unseen(f"{stopped} is broken before it") if stopped else _looked(look)
        yield Hop(name, verdict.ok, verdict.what, where, verdict.todo)
        if verdict.ok is False:
            stopped = name


def tell(steps: Sequence[Step], *, as_json: bool) -> int:
    """Walk and print; returns the exit code, 1 where a hop is broken."""
    width = max(len(step.name) for step in steps)
    walked = []
    for hop in walk(steps):
        walked.append(hop)
        if not as_json:
            click.echo(f"{_WORDS[hop.ok]:6}  {hop.name:{width}}  {hop.what}")
    first = next((hop for hop in walked if hop.ok is False), None)
    if as_json:
        hops = [hop._asdict() for hop in walked]
        click.echo(json.dumps({"ok": first is None, "broken": first and first.name, "hops": hops}))
    elif first is not None:
        click.echo(f"\nThe first broken hop is {first.name}.")
        click.echo(f"  what   {first.what}\n  where  {first.where}\n  do     {first.todo}")
    return 0 if first is None else 1


def waiting(what: str) -> None:
    """Say on standard error what is waited for; standard output is for the hops."""
    click.echo(f"        … {what}", err=True)


def _looked(look: Callable[[], Verdict]) -> Verdict:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - one more fault to be named, and not by a traceback
        at = traceback.extract_tb(error.__traceback__)[-1]
        # Not the message: it may quote an address with its password.
        where = f"{PurePath(at.filename).name}:{at.lineno}"
        what = f"the doctor could not look ({type(error).__name__} at {where})"
        return broken(what, "mend what that line needs, or report it: it has no verdict of its own")
