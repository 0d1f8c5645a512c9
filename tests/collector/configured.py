"""One processor out of a piece of YAML, as `plan.load` would read it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from collector.fields.section import open_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.fields.section import Section
    from collector.rule import Processor


def processor(read: Callable[[Section], Processor], text: str) -> Processor:
    """Read a processor's section; raises ConfigError for all that is wrong in it."""
    file = open_file("config.yaml", textwrap.dedent(text), {})
    configured = read(file.root)
    file.close()
    return configured
