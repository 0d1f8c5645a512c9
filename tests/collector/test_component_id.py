"""Components are called `type` or `type/name`, as the OpenTelemetry Collector has it."""

from __future__ import annotations

import pytest

from collector.fields.component_id import ComponentId, Invalid, parse

IDS = [
    ("otlp", ComponentId("otlp", "")),
    ("otlp/a", ComponentId("otlp", "a")),
    (" otlp / a ", ComponentId("otlp", "a")),
    ("otlp/a/b", ComponentId("otlp", "a/b")),
    ("o_1/é-1", ComponentId("o_1", "é-1")),
    ("", None),
    ("/", None),
    ("/a", None),
    ("otlp/", None),
    ("otlp/ ", None),
    ("1otlp", None),
    ("ot-lp", None),
    ("a" * 64, None),
    ("otlp/a b", None),
    ("otlp/a+b", None),
    ("otlp/\n", None),
    ("otlp/" + "a" * 1025, None),
]


@pytest.mark.parametrize(("text", "expected"), IDS)
def test_an_id_has_a_type_and_perhaps_a_name(text: str, expected: ComponentId | None) -> None:
    """Types are plain words, names hold neither blanks nor symbols."""
    if expected is None:
        with pytest.raises(Invalid):
            parse(text)
    else:
        assert parse(text) == expected
        assert parse(str(expected)) == expected
