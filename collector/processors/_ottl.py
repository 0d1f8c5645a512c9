"""Where OTTL stands in a configuration: lists of texts, or lists of groups of texts.

In: a section and a key. Out: the texts, each knowing its line, so that what is wrong in one is said
at its place. It does not know what the texts mean.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from collector.ottl.group import Text

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.fields.values import Name
    from collector.ottl.tree import Refused

ERROR_MODES = ("propagate", "ignore", "silent", "")
OF_METRICS = ("resource", "scope", "metric", "datapoint")


def texts(section: Section, key: str) -> list[Text]:
    """Read a list of statements or conditions."""
    return [
        Text(name.text, partial(_refuse, section, f"{key}[{number}]", name))
        for number, name in enumerate(section.names(key))
    ]


def _refuse(section: Section, key: str, name: Name, refused: Refused) -> None:
    is_written = name.shown == f'"{name.text}"'
    what = str(refused) if is_written else f"{name.shown} cannot be used here"
    section.mistake(key, what, refused.hint, name.line)
