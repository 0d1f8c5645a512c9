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
from collector.model import Type

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """How many values a histogram, or one of its buckets, holds."""
    heading: Callable[[Family], str]
    """The HELP and TYPE lines above a family's samples."""
    end: str
    """The page's last line."""
    exemplar: Callable[[Exemplar], str] | None = None
    """What stands behind a sample's value, where there is a place for it."""


def label_block(labels: Labels) -> str:
    """Write labels as both formats do: `a="x",b="y"`, without the braces."""
    return ",".join(f'{name}="{value.translate(_QUOTED)}"' for name, value in labels)


@lru_cache(maxsize=1024)
def bucket_tails(bounds: tuple[float, ...], dialect: Dialect) -> tuple[str, ...]:
    """Write what follows `le="` for each bound, and last for the infinite one."""
    return (*(f'{dialect.number(bound)}"}} ' for bound in bounds), '+Inf"} ')


def _text_heading(family: Family) -> str:
    help_ = family.help.translate(_UNQUOTED)
    return f"# HELP {family.name} {help_}\n# TYPE {family.name} {family.type.value}\n"


def _open_metrics_heading(family: Family) -> str:
    name, type_ = family.name, family.type.value
    if family.type is Type.COUNTER:
        name = name.removesuffix("_total")
        # A metric called `total` is a counter that OpenMetrics has no way to declare.
        type_ = "unknown" if name == family.name else type_
    return f"# HELP {name} {family.help.translate(_QUOTED)}\n# TYPE {name} {type_}\n"


def _open_metrics_exemplar(exemplar: Exemplar) -> str:
    ids = ("trace_id", exemplar.trace_id), ("span_id", exemplar.span_id)
    inside = label_block(tuple(pair for pair in ids if pair[1]))
    seconds = digits.open_metrics(exemplar.time / 1e9)
    return f" # {{{inside}}} {digits.open_metrics(exemplar.value)} {seconds}"


TEXT = Dialect(digits.text, digits.text_count, _text_heading, "")
OPEN_METRICS = Dialect(
    digits.open_metrics, str, _open_metrics_heading, "# EOF\n", _open_metrics_exemplar
)
