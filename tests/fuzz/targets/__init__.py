"""What reads bytes from outside, each as a function that raises where a promise does not hold.

A target knows neither where its input comes from nor who runs it; the promise is its docstring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.targets import configuration, http, journal, otlp, packed, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "accept": words.accept,
    "config": configuration.config,
    "grpc": otlp.grpc,
    "htpasswd": words.htpasswd,
    "http": http.http,
    "journal": journal.journal,
    "json": otlp.json,
    "otlp": otlp.otlp,
    "ottl": configuration.ottl,
    "unpack": packed.unpacked,
}
