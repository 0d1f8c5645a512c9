"""Numbers -> the digits that Go's `strconv.FormatFloat(v, 'g', -1, 64)` prints.

Both formats of the exposition are written so by every Prometheus client in Go. Python's `repr`
finds the same shortest digits and differs only in where it begins to use an exponent: Go at 1e6,
Python at 1e16; below one both do at 1e-5.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_KNOWN = 10_000
"""Whole numbers below are printed once and remembered: most buckets of most series hold less."""
_EXPONENT_FROM = 1e6
_EXPONENT_FROM_IN_PYTHON = 1e16
_EXPONENTS = tuple(f"e+{power:02d}" for power in range(16))


def text(value: float) -> str:
    """Print a number for the text format: `1`, `0.25`, `1e+06`, `NaN`, `+Inf`; never `-0`."""
    if -_EXPONENT_FROM < value < _EXPONENT_FROM:
        whole = int(value)
        return str(whole) if whole == value else repr(value)
    return _large(value)


def open_metrics(value: float) -> str:
    """Print a number for OpenMetrics, where a float shows that it is one: `1.0`, `1e+06`."""
    if -_EXPONENT_FROM < value < _EXPONENT_FROM and value == int(value):
        return f"{int(value)}.0"
    return text(value)


def text_count(count: int) -> str:
    """Print a whole number for the text format, which knows only floats."""
    return str(count) if count < _EXPONENT_FROM else _large(count)


def text_lines(values: NDArray[np.float64]) -> list[str]:
    """Print numbers as `text` does, each at the end of a line."""
    return _lines(values, "\n", text)


def open_metrics_lines(values: NDArray[np.float64]) -> list[str]:
    """Print numbers as `open_metrics` does, each at the end of a line."""
    return _lines(values, ".0\n", open_metrics)


def open_metrics_count_lines(values: NDArray[np.float64]) -> list[str]:
    """Print whole numbers for OpenMetrics, each at the end of a line."""
    return [f"{int(value)}\n" for value in values.tolist()]


@cache
def _known(behind: str) -> NDArray[np.object_]:
    return np.array([f"{whole}{behind}" for whole in range(_KNOWN)], object)


def _lines(
    values: NDArray[np.float64], behind: str, of_others: Callable[[float], str]
) -> list[str]:
    """Print what is whole and has no exponent as an integer, which is most, and the rest apart."""
    plain = (np.abs(values) < _EXPONENT_FROM) & (np.floor(values) == values)
    wholes = np.where(plain, values, 0).astype(np.int64)
    known = (wholes >= 0) & (wholes < _KNOWN)
    texts: list[str] = _known(behind).take(np.where(known, wholes, 0)).tolist()
    unknown = np.flatnonzero(~known)
    for at, whole in zip(unknown.tolist(), wholes[unknown].tolist()):
        texts[at] = f"{whole}{behind}"
    others = np.flatnonzero(~plain)
    for at, value in zip(others.tolist(), values[others].tolist()):
        texts[at] = f"{of_others(value)}\n"
    return texts


def _large(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value < 0:
        return f"-{_large(-value)}"
    shortest = repr(float(value))
    if value >= _EXPONENT_FROM_IN_PYTHON:
        return shortest
    point = shortest.index(".")
    digits = f"{shortest[1:point]}{shortest[point + 1 :]}".rstrip("0")
    mantissa = f"{shortest[0]}.{digits}" if digits else shortest[0]
    return mantissa + _EXPONENTS[point - 1]
