"""Which metrics a rule is for: their names, letter by letter or by a pattern.

In: a section that holds names or patterns. Out: a question to a text. Several processors of the
Collector ask it, in the same keys. It knows no stream.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from collector import go_regexp

if TYPE_CHECKING:
    import re

    from collector.fields.section import Section

Matches: TypeAlias = Callable[[str], object]
"""Whether a text is meant: what it returns is true or not."""


def compiled(section: Section, key: str) -> re.Pattern[str] | None:
    """Read a pattern; None, with a mistake, where it cannot be run."""
    try:
        return go_regexp.compile(section.text(key))
    except go_regexp.Unsupported as error:
        section.mistake(key, str(error), error.hint, quotes=True)
        return None


def matcher(pattern: re.Pattern[str] | None) -> Matches:
    """Search a pattern unanchored; nothing matches one that is none."""
    return pattern.search if pattern else partial(operator.is_, None)


def any_of(section: Section, key: str, unless: str) -> Matches:
    """Read `match_type` and a list of names or patterns, of which one must match.

    The list has to be there, unless another key is, which has been refused.
    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/internal/filter/filterset
    """
    if unless not in section:
        section.require("match_type", key)
    match_type = section.choice("match_type", ("strict", "regexp"), "strict", elsewhere=("expr",))
    cache(section.section("regexp"))
    if match_type == "strict":
        return frozenset(name.text for name in section.names(key, least=1)).__contains__
    found = patterns(section, key, least=1)
    return lambda text: any(pattern.search(text) for pattern in found)


def patterns(section: Section, key: str, least: int = 0) -> tuple[re.Pattern[str], ...]:
    """Read a list of patterns; one that cannot be run is a mistake."""
    found = []
    for number, (line, text, shown) in enumerate(section.names(key, least=least)):
        try:
            found.append(go_regexp.compile(text))
        except go_regexp.Unsupported as error:
            what = str(error) if shown == f'"{text}"' else f"{shown} cannot be used here"
            section.mistake(f"{key}[{number}]", what, error.hint, line)
    return tuple(found)


def cache(section: Section) -> None:
    """Check the Collector's cache of verdicts; here each stream is asked about once."""
    section.flag("cacheenabled")
    section.whole("cachemaxnumentries")
