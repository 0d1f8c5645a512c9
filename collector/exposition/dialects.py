"""The two text formats of the exposition, each as the few things in which it differs.

Text 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
OpenMetrics 1.0: https://prometheus.io/docs/specs/om/open_metrics_spec
Nothing is known here of series or of the order on a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from collector.exposition import digits
from collector.exposition.utf8 import LABEL, METRIC
from collector.model import Type

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from collector.exposition.alphabet import Labels
    from collector.exposition.families import Family
    from collector.reading import Exemplar

_QUOTED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_UNQUOTED = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True)
class Dialect:
    """How one format writes what a page holds."""

    number: Callable[[float], str]
    """A sample's value, or a histogram's bound."""
    count: Callable[[int], str]
    """How many values a distribution holds."""
    number_lines: Callable[[NDArray[np.float64]], list[str]]
    """The same of many numbers, each at the end of its line."""
    count_lines: Callable[[NDArray[np.float64]], list[str]]
    """The same of many counts."""
    heading: Callable[[Family], str]
    """The HELP and TYPE lines above a family's samples."""
    end: str
    """The page's last line."""
    stamp: Callable[[int], str]
    """What stands behind a sample's value to tell its time, given in milliseconds."""
    exemplar: Callable[[Exemplar], str] | None = None
    """What stands behind both, where there is a place for it."""


def label_block(labels: Labels) -> str:
    """Write labels as both formats do: `a="x",b="y"`, without the braces."""
    return ",".join([_label(name, value) for name, value in labels])


@lru_cache(maxsize=1024)
def _label(name: str, value: str) -> str:
    """Write a label; the same ones stand in many lines."""
    return f'{_quoted(name, LABEL)}="{value.translate(_QUOTED)}"'


def name_and_block(name: str, inside: str) -> str:
    """Write a metric's name and what is in braces behind it; a name in UTF-8 stands with them."""
    if METRIC.fullmatch(name):
        return f"{name}{{{inside}}}" if inside else name
    return f"{{{','.join(filter(None, [_quoted(name, METRIC), inside]))}}}"


def _quoted(name: str, alphabet: re.Pattern[str]) -> str:
    return name if alphabet.fullmatch(name) else f'"{name.translate(_QUOTED)}"'


@lru_cache(maxsize=1024)
def bucket_tails(bounds: tuple[float, ...], dialect: Dialect) -> tuple[str, ...]:
    """Write what follows `le="` for each bound, and last for the infinite one."""
    return (*(f'{dialect.number(bound)}"}} ' for bound in bounds), '+Inf"} ')


def _text_heading(family: Family) -> str:
    help_, name = family.help.translate(_UNQUOTED), _quoted(family.name, METRIC)
    return f"# HELP {name} {help_}\n# TYPE {name} {family.type.value}\n"


def _open_metrics_heading(family: Family) -> str:
    name, type_ = family.name, family.type.value
    if family.type is Type.COUNTER:
        name = name.removesuffix("_total")
        # A metric called `total` is a counter that OpenMetrics has no way to declare.
        type_ = "unknown" if name == family.name else type_
    name = _quoted(name, METRIC)
    return f"# HELP {name} {family.help.translate(_QUOTED)}\n# TYPE {name} {type_}\n"


def _open_metrics_exemplar(exemplar: Exemplar) -> str:
    ids = ("trace_id", exemplar.trace_id), ("span_id", exemplar.span_id)
    inside = label_block(tuple(pair for pair in ids if pair[1]))
    seconds = digits.open_metrics(exemplar.time / 1e9)
    return f" # {{{inside}}} {digits.open_metrics(exemplar.value)} {seconds}"


def _open_metrics_stamp(milliseconds: int) -> str:
    return f" {digits.open_metrics(milliseconds / 1000)}"


TEXT = Dialect(
    number=digits.text,
    count=digits.text_count,
    number_lines=digits.text_lines,
    count_lines=digits.text_lines,
    heading=_text_heading,
    end="",
    stamp=" {}".format,
)
OPEN_METRICS = Dialect(
    number=digits.open_metrics,
    count=str,
    number_lines=digits.open_metrics_lines,
    count_lines=digits.open_metrics_count_lines,
    heading=_open_metrics_heading,
    end="# EOF\n",
    stamp=_open_metrics_stamp,
    exemplar=_open_metrics_exemplar,
)
