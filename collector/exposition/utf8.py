"""Names that stay as they are, and how they are written for who cannot read them.

Prometheus 3 takes any UTF-8 in names and says so in its Accept header; who does not say so gets
them escaped. The rules are those of github.com/prometheus/otlptranslator v1.0.0 under the
strategies NoUTF8EscapingWithSuffixes and NoTranslation, and of prometheus/common's `EscapeName`.
Strings in, strings out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collector.errors import Reason, Untranslatable
from collector.exposition.alphabet import unit_words
from collector.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

METRIC = re.compile("[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
"""Names of the old alphabet."""

AS_IS = "allow-utf-8"
ESCAPINGS = ("underscores", "dots", "values", AS_IS)
"""What a client may ask for (https://prometheus.io/docs/instrumenting/escaping_schemes/)."""


def full_name(name: str, unit: str, kind: Kind, namespace: str = "") -> str:
    """Build a family's name with its unit and type behind it; raises Untranslatable."""
    main, per = unit_words(unit)
    ratio = kind is Kind.GAUGE and unit == "1"
    whole = plain_name(name, unit, kind, namespace)
    if ratio:
        whole = _trimmed(whole, "ratio")
    if kind is Kind.COUNTER:
        whole = _trimmed(whole, "total")
    if per:
        whole = _trimmed(whole, per)
    if main and not whole.endswith(main):
        whole = f"{whole}_{main}"
    ends = [per, "total" if kind is Kind.COUNTER else "", "ratio" if ratio else ""]
    return "_".join([whole, *filter(None, ends)])


def plain_name(name: str, _unit: str, _kind: Kind, namespace: str = "") -> str:
    """Build a family's name of nothing but its own; raises Untranslatable where it is empty."""
    if not name:
        raise Untranslatable(Reason.METRIC_NAME)
    return f"{namespace}_{name}" if namespace else name


def label(key: str) -> str:
    """Check a label's name.

    Raises Untranslatable where it is empty, only underscores, or one that Prometheus keeps.
    """
    if not key.strip("_") or key.startswith("__"):
        raise Untranslatable(Reason.LABEL_NAME)
    return key


def _trimmed(name: str, suffix: str) -> str:
    """Take a suffix away, and a byte before it that should be a delimiter."""
    raw = name.encode()
    size = len(suffix.encode()) + 1
    if not name.endswith(suffix) or len(raw) <= size:
        return name
    try:
        return raw[:-size].decode()
    except UnicodeDecodeError:
        raise Untranslatable(Reason.METRIC_NAME) from None


def escape(name: str, escaping: str, alphabet: re.Pattern[str]) -> str:
    """Write a name in the old alphabet, unless it is in it or the client takes it as it is."""
    if escaping == AS_IS or alphabet.fullmatch(name):
        return name
    write = _WRITERS[escaping]
    # a digit stands in the alphabet anywhere but in front
    stays = [bool(alphabet.fullmatch(one if at == 0 else f"_{one}")) for at, one in enumerate(name)]
    written = "".join(one if ok and one != "_" else write(one) for one, ok in zip(name, stays))
    return f"U__{written}" if escaping == "values" else written


_WRITERS: dict[str, Callable[[str], str]] = {
    "underscores": lambda _: "_",
    "dots": lambda one: "_dot_" if one == "." else "__",
    "values": lambda one: "__" if one == "_" else f"_{ord(one):x}_",
}
