"""Any text -> a name in the alphabet of the exposition, as the real exporter's translator does.

These are the rules of github.com/prometheus/otlptranslator v1.0.0 under the strategy
UnderscoreEscapingWithSuffixes, the exporter's default; `test_exposition_names.py` holds what the
real exporter made of each. Strings in, strings out: no streams, no settings.
"""

from __future__ import annotations

import re

from collector.errors import Reason, Untranslatable
from collector.model import Kind

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
"""UCUM units (https://ucum.org/ucum) by the words that Prometheus uses; others stay as they are."""

PER_UNITS = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
"""The same behind a slash, where `m` means minute."""

_WORD = re.compile(r"[A-Za-z0-9:_]+")
_TOKEN = re.compile(r"[A-Za-z0-9:]+")
_NOT_IN_UNIT = re.compile(r"[^A-Za-z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9]+")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9:_]")


def metric_name(name: str, unit: str, kind: Kind, namespace: str = "") -> str:
    """Build a family's name: tokens of the name, then the unit, then `total` or `ratio`.

    Raises Untranslatable if the name is empty or nothing of it can be written.
    """
    if not name:
        raise Untranslatable(Reason.METRIC_NAME)
    tokens: list[str] = _TOKEN.findall(name)
    main, per = _unit_suffixes(unit)
    if main and main not in tokens:
        tokens.append(main.removesuffix("_") if per else main)
    if per:
        tokens.append(per)
    if kind is Kind.COUNTER:
        tokens = [word for word in tokens if word != "total"] + ["total"]
    elif kind is Kind.GAUGE and unit == "1":
        tokens = [word for word in tokens if word != "ratio"] + ["ratio"]
    if namespace:
        tokens.insert(0, namespace)
    whole = "_".join(tokens)
    if not whole.strip("_"):
        raise Untranslatable(Reason.METRIC_NAME)
    return escaped(f"_{whole}" if whole[0].isdecimal() else whole)


def bare_name(name: str, _unit: str, _kind: Kind, namespace: str = "") -> str:
    """Build a family's name under UnderscoreEscapingWithoutSuffixes: what cannot stand goes.

    Raises Untranslatable as `metric_name` does.
    """
    whole = _joined(name)
    if namespace:
        whole = f"{_joined(namespace)}_{whole}"
    if not name or not (whole.strip("_") or whole == name):
        raise Untranslatable(Reason.METRIC_NAME)
    return f"_{whole}" if whole[0].isdecimal() else whole


def _joined(name: str) -> str:
    """Put one underscore in the place of each run of characters that cannot stand."""
    return "_".join(_WORD.findall(name))


def _unit_suffixes(unit: str) -> tuple[str, str]:
    """Put a unit into words of the alphabet."""
    main, per = unit_words(unit)
    per = _cleaned(per).removesuffix("_")
    return _cleaned(main), "" if per == "per" else per


def unit_words(unit: str) -> tuple[str, str]:
    """Split a unit at its slash and put both halves into words; one in braces is an annotation."""
    main, _, per = (half.strip() for half in unit.partition("/"))
    main = "" if _is_annotated(main) else UNITS.get(main, main)
    per = "" if _is_annotated(per) else PER_UNITS.get(per, per)
    return main, f"per_{per}" if per else ""


def _is_annotated(unit: str) -> bool:
    return "{" in unit or "}" in unit


def _cleaned(unit: str) -> str:
    return _NOT_IN_UNIT.sub("_", unit).removeprefix("_")


def label_name(key: str) -> str:
    """Build a label's name from an attribute's key.

    Raises Untranslatable for an empty key, and for `__x__`, which Prometheus keeps for itself.
    """
    if not key or (len(key) >= 4 and key.startswith("__") and key.endswith("__")):
        raise Untranslatable(Reason.LABEL_NAME)
    name = _NOT_IN_LABEL.sub("_", key)
    if name[0].isdecimal():
        return f"key_{name}"
    return f"key{name}" if name[0] == "_" else name


def escaped(name: str) -> str:
    """Replace each character that no name can have: what is left of a setting's own spelling."""
    return _NOT_IN_NAME.sub("_", name)
