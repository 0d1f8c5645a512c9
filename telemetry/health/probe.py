"""`portless health live|ready`: reads a worker's state file and answers, in milliseconds.

Comes in: arguments, the environment, the file, the clock. Goes out: one line, and exit code 0 or 1;
2 for wrong arguments. Neither the application nor Celery, the SDK or click is imported: a probe
runs every few seconds beside every worker.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from telemetry.health import state_file, verdict
from telemetry.health.verdict import Limits, Verdict, no, yes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.health.state import State

HELP = """\
Usage: portless health live|ready [--node NAME] [--max-age SECONDS] [--max-busy SECONDS]

Ask a worker on this machine how it is, by the file that it keeps. Prints one line.
Exit code 0: yes. 1: no, or nobody knows. 2: wrong arguments.

  live   its process is there and its loop turns, or a restart would not help
  ready  it has its broker and takes tasks; with a canary, the last one was not lost

  --node NAME         as `celery worker --hostname` has it; %h is this machine's name.
                      Not needed where one worker keeps a file.
  --max-age SECONDS   for the loop's last turn and for the file (default 30)
  --max-busy SECONDS  for a task that holds up the loop: one that the solo pool runs, or one that
                      waits for a free slot (default: the time limit of the first kind)

PORTLESS_STATE_DIR says where the file is, for the worker and for this command alike.
"""


class UsageError(Exception):
    """The arguments make no question."""


def main(arguments: Sequence[str]) -> int:
    """Answer on standard output; the exit code."""
    if not arguments or {"--help", "-h"} & set(arguments):
        sys.stdout.write(HELP)
        return 0 if arguments else 2
    try:
        asked, node, limits = parse(arguments)
    except UsageError as error:
        sys.stderr.write(f"portless health: {error}\n\n{HELP}")
        return 2
    answer = ask(os.environ, asked, node, limits)
    word = asked if answer.ok else f"not {asked}"
    sys.stdout.write(f"{word}: {answer.why}\n")
    return 0 if answer.ok else 1


def parse(arguments: Sequence[str]) -> tuple[str, str | None, Limits]:
    """Read `live` or `ready`, the node or None, and the limits. Raises UsageError."""
    asked, node, limits = "", None, Limits()
    rest = [part for word in arguments for part in _split(word)]
    while rest:
        word = rest.pop(0)
        if word in {"live", "ready"} and not asked:
            asked = word
        elif word not in {"--node", "-n", "--max-age", "--max-busy"}:
            raise UsageError(f"what is {word!r}?")
        elif not rest:
            raise UsageError(f"{word} needs a value")
        elif word == "--max-age":
            limits = limits._replace(age_seconds_max=_number(word, rest.pop(0)))
        elif word == "--max-busy":
            limits = limits._replace(busy_seconds_max=_number(word, rest.pop(0)))
        else:
            node = _node(rest.pop(0))
    if not asked:
        raise UsageError("ask for 'live' or for 'ready'")
    return asked, node, limits


def ask(environ: Mapping[str, str], asked: str, node: str | None, limits: Limits) -> Verdict:
    """The verdict on a node, or on the one that there is."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        # Whoever turns telemetry off must not have all workers restarted for it.
        return yes("nobody knows, since OTEL_SDK_DISABLED=true turns the state file off")
    places = state_file.directories(environ)
    found = (
        state_file.paths(places)
        if node is None
        else [path for place in places if os.path.exists(path := state_file.path_of(place, node))]
    )
    if not found:
        who = "no worker" if node is None else f"no worker {node}"
        return no(f"{who} keeps a file in {' or '.join(places)}")
    if node is None and len(found) > 1:
        names = ", ".join(sorted({_name(path) for path in found}))
        return no(f"several workers keep files, choose one by --node: {names}")
    judged = [_judge(path, asked, limits) for path in found]
    return next((verdict for verdict in judged if verdict.ok), judged[0])


def _judge(path: str, asked: str, limits: Limits) -> Verdict:
    try:
        state = state_file.read(path)
    except (OSError, ValueError, RecursionError) as error:
        return no(f"{path} cannot be read: {error}")
    if state is None:
        return no(f"{path} has just been removed: the worker has stopped")
    if not _runs(state):
        return no(f"{state.node}: its process {state.pid} is gone")
    judge = verdict.live if asked == "live" else verdict.ready
    ok, why = judge(state, time.monotonic(), limits)
    return Verdict(ok, f"{state.node}: {why}")


def _runs(state: State) -> bool:
    """Whether its process is there, as far as the system tells."""
    if os.name == "nt":  # to send signal 0 would end it there; the file's age has to tell
        return True
    try:
        os.kill(state.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # somebody else's; the file's age tells
    return True


def _split(word: str) -> list[str]:
    """`--node=a` -> `--node`, `a`."""
    name, equals, value = word.partition("=")
    return [name, value] if equals and name.startswith("--") else [word]


def _number(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{option} is {text!r}; it must be a number of seconds above 0")
    return seconds


def _node(text: str) -> str:
    """A node's whole name, completed as Celery does it."""
    if "@" in text and "%h" not in text:
        return text
    import socket  # noqa: PLC0415 - for who asks for it

    host = socket.gethostname()
    return text.replace("%h", host) if "@" in text else f"{text}@{host}"


def _name(path: str) -> str:
    """Whose file it is, for people."""
    return os.path.basename(path)[len("health-") : -len(".json")]
