"""One processor out of a piece of YAML, as `plan.load` would read it, and one part of a plan."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from collector.fields.section import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.fields.section import Section
    from collector.rule import Processor

T = TypeVar("T")


def one(things: Mapping[Any, T] | Sequence[T]) -> T:
    """The only component or pipeline of a plan."""
    (only,) = things.values() if isinstance(things, Mapping) else things
    return only


def processor(read: Callable[[Section], Processor], text: str, **environ: str) -> Processor:
    """Read a processor's section; raises ConfigError for all that is wrong in it."""
    file = open_file("config.yaml", textwrap.dedent(text), environ)
    configured = read(file.root)
    file.close()
    return configured
