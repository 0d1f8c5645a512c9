"""`${env:NAME}` means here what it means to the OpenTelemetry Collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from collector.errors import ConfigError
from collector.fields.section import open_file
from tests.collector.real import needs_otelcol, print_config

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    "WORD": "abc",
    "NUMBER": "5",
    "OCTAL": "0123",
    "PADDED": " 5 ",
    "FRACTION": "1.5",
    "EMPTY": "",
    "NULL": "null",
    "TRUE": "true",
    "YES": "yes",
    "DATE": "2024-01-02",
    "DURATION": "7s",
    "LIST": "[a, b]",
    "COMMAS": "a,b",
    "MAP": "{a: b}",
    "PAIR": "a: b",
    "QUOTED": '"quoted"',
    "LINES": "a\nb",
    "BROKEN": "{a: [",
    "DOLLAR": "a$b",
    "DOLLARS": "a$$b",
    "REFERENCE": "${env:WORD}",
    "ESCAPED": "$${env:WORD}",
    "LIST_OF_REFERENCES": '["${env:WORD}", x]',
    "NAME_OF_ANOTHER": "NUMBER",
}

FIELDS = {
    # How a key of each type is read here, and where the Collector prints it.
    "text": ("exporters", "prometheus", "namespace"),
    "flag": ("exporters", "prometheus", "enable_open_metrics"),
    "seconds": ("exporters", "prometheus", "metric_expiration"),
    "pairs": ("exporters", "prometheus", "const_labels"),
    "whole": ("processors", "memory_limiter", "spike_limit_mib"),
    "words": ("processors", "redaction", "allowed_keys"),
}

# Recorded from `otelcol print-config`, version 0.161.0; None: it refuses the file.
RECORDED: list[tuple[str, str, Any]] = [
    ("text", "${env:WORD}", "abc"),
    ("text", '"${env:WORD}"', "abc"),
    ("text", "'${env:WORD}'", "abc"),
    ("text", "${WORD}", "abc"),
    ("text", "${env:NUMBER}", "5"),
    ("text", "${env:OCTAL}", "0123"),
    ("text", "${env:PADDED}", " 5 "),
    ("text", "${env:TRUE}", "true"),
    ("text", "${env:NULL}", "null"),
    ("text", "${env:DATE}", "2024-01-02"),
    ("text", "${env:LIST}", "[a, b]"),
    ("text", "${env:MAP}", "{a: b}"),
    ("text", "${env:PAIR}", "a: b"),
    ("text", "${env:QUOTED}", '"quoted"'),
    ("text", "${env:LINES}", "a\nb"),
    ("text", "${env:BROKEN}", "{a: ["),
    # Unset is nothing, and a default is for what is unset, not for what is empty.
    ("text", "${env:UNSET}", ""),
    ("text", "${env:EMPTY}", ""),
    ("text", "a${env:UNSET}b", "ab"),
    ("text", "${env:UNSET:-default}", "default"),
    ("text", "${env:EMPTY:-default}", ""),
    ("text", "${env:UNSET:-}", ""),
    ("text", "${env:UNSET:-5}", "5"),
    ("text", "${env:UNSET:-a:-b}", "a:-b"),
    ("text", '"${env:UNSET:-127.0.0.1:4318}"', "127.0.0.1:4318"),
    # Inside of other text, in itself, and out of values.
    ("text", "a${env:WORD}b${env:NUMBER}", "aabcb5"),
    ("text", "x${env:PADDED}y", "x 5 y"),
    ("text", "${env:${env:NAME_OF_ANOTHER}}", "5"),
    ("text", "${env:UNSET:-${env:WORD}}", "abc"),
    ("text", "${env:UNSET:-${env:UNSET2:-z}}", "z"),
    ("text", "${env:REFERENCE}", "abc"),
    # Dollars.
    ("text", "a$b", "a$b"),
    ("text", "a$$b", "a$b"),
    ("text", "a$", "a$"),
    ("text", "$${env:WORD}", "${env:WORD}"),
    ("text", "$$${env:WORD}", "$abc"),
    ("text", "$$$${env:WORD}", "$${env:WORD}"),
    ("text", "$${env:WORD} ${env:WORD}", "$abc abc"),
    ("text", "${env:WORD", "${env:WORD"),
    ("text", "${env:DOLLAR}", "a$b"),
    ("text", "${env:DOLLARS}", "a$b"),
    ("text", "${env:ESCAPED}", "${env:WORD}"),
    # What is no reference.
    ("text", "${UNSET:-x}", None),
    ("text", "${UNSET_X:-127.0.0.1}", None),
    ("text", "${}", None),
    ("text", "${:}", None),
    ("text", "${e:WORD}", None),
    ("text", "${Env:WORD}", None),
    ("text", "${env :WORD}", None),
    ("text", "${foo:bar}", None),
    ("text", "${env:}", None),
    ("text", "${env:1A}", None),
    ("text", "${env:A-B}", None),
    ("text", "${env:WORD:x}", None),
    ("text", "${env:A$B}", None),
    ("text", "${env:WORD:-$5}", None),
    # Without references: numbers are no text, nothing is.
    ("text", "5", None),
    ("text", "true", None),
    ("text", "1.5", None),
    ("text", "2024-01-02", None),
    ("text", "[a]", None),
    ("text", "{a: b}", None),
    ("text", '"true"', "true"),
    ("text", "yes", "yes"),
    ("text", "!!str 5", "5"),
    ("text", "null", ""),
    ("text", "~", ""),
    # A scalar that is one reference has the type of the value.
    ("flag", "${env:TRUE}", True),
    ("flag", '"${env:TRUE}"', True),
    ("flag", "${env:UNSET:-true}", True),
    ("flag", "${env:UNSET}", False),
    ("flag", "${env:EMPTY}", False),
    ("flag", "null", False),
    ("flag", "True", True),
    ("flag", "${env:UNSET:-}", None),
    ("flag", "${env:YES}", None),
    ("flag", "${env:NUMBER}", None),
    ("flag", "tr${env:UNSET:-ue}", None),
    ("flag", '"true"', None),
    ("flag", "yes", None),
    ("flag", "1", None),
    ("whole", "${env:NUMBER}", 5),
    ("whole", "${env:PADDED}", 5),
    ("whole", "${env:OCTAL}", 83),
    ("whole", "${env:UNSET}", 0),
    ("whole", "${env:NULL}", 0),
    ("whole", "0x10", 16),
    ("whole", "0123", 83),
    ("whole", "0o17", 15),
    ("whole", "0b11", 3),
    ("whole", "1_000", 1000),
    ("whole", "null", 0),
    ("whole", '"5"', None),
    ("whole", "-1", None),
    ("whole", "${env:NUMBER}${env:NUMBER}", None),
    ("seconds", "${env:DURATION}", "7s"),
    ("seconds", "${env:UNSET}", "0s"),
    ("seconds", "0", "0s"),
    ("seconds", '"0"', "0s"),
    ("seconds", "null", "0s"),
    ("seconds", "5m", "5m0s"),
    ("seconds", "1.5h", "1h30m0s"),
    ("seconds", "1m1m", "2m0s"),
    ("seconds", "-5s", "-5s"),
    ("seconds", "+5.s", "5s"),
    ("seconds", ".5s", "500ms"),
    ("seconds", "300000h", "300000h0m0s"),
    ("seconds", "3000000h", None),
    ("seconds", '"5"', None),
    ("seconds", '""', None),
    ("seconds", "1d", None),
    ("seconds", "5M", None),
    ("seconds", "1:30", None),
    ("seconds", "1h 30m", None),
    ("words", "${env:LIST}", ["a", "b"]),
    ("words", "${env:COMMAS}", ["a", "b"]),
    ("words", "${env:WORD}", ["abc"]),
    ("words", "${env:EMPTY}", []),
    ("words", "${env:UNSET}", []),
    ("words", "${env:LIST_OF_REFERENCES}", ["abc", "x"]),
    ("words", '"${env:UNSET:-[x, y]}"', ["x", "y"]),
    ("words", '["${env:WORD}", "${env:NUMBER}"]', ["abc", "5"]),
    ("words", '["${env:LIST}"]', ["[a, b]"]),
    ("words", "a", ["a"]),
    ("words", '"a, b"', ["a", " b"]),
    ("words", "a,", ["a", ""]),
    ("words", '""', []),
    ("words", '["a,b"]', ["a,b"]),
    ("words", "[a, null]", ["a", ""]),
    ("words", "null", []),
    ("words", "${env:NUMBER}", None),
    ("words", "${env:MAP}", None),
    ("words", "[a, 5]", None),
    ("words", "[[a]]", None),
    ("words", "{a: b}", None),
    ("words", "[${env:WORD}]", None),
    ("pairs", '{a: "${env:NUMBER}"}', {"a": "5"}),
    ("pairs", "{a.b: c}", {"a.b": "c"}),
    ("pairs", '{"${env:WORD}": a}', {"${env:WORD}": "a"}),
    ("pairs", "{<<: {a: b, c: x}, c: d}", {"a": "b", "c": "d"}),
    ("pairs", "{a: null}", {"a": ""}),
    ("pairs", "null", {}),
    ("pairs", "{a: 5}", None),
    ("pairs", "{a: {b: c}}", None),
    ("pairs", '{a: b, "a": c}', None),
    ("pairs", "[a]", None),
]

# Refused here although the Collector takes them, each for a reason that the message gives.
STRICTER: list[tuple[str, str, Any]] = [
    ("text", "${file:/dev/null}", ""),
    ("text", '"${yaml:a}"', "a"),
    ("pairs", "${env:MAP}", {"a": "b"}),
    ("pairs", "{5: a}", {"5": "a"}),
    ("whole", "5.5", 5),
    ("whole", "1e3", 1000),
    ("seconds", "5", "5ns"),
    ("seconds", "${env:NUMBER}", "5ns"),
    ("seconds", "0.1", "0s"),
]

TEMPLATE = """\
receivers: {{otlp: {{protocols: {{http: }}}}}}
processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: 100000
    spike_limit_mib: {whole}
  redaction:
    allowed_keys: {words}
exporters:
  prometheus:
    endpoint: localhost:9464
    namespace: {text}
    enable_open_metrics: {flag}
    metric_expiration: {seconds}
    const_labels: {pairs}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [memory_limiter, redaction], exporters: [prometheus]}}
"""
SECONDS = {"7s": 7, "0s": 0, "5m0s": 300, "1h30m0s": 5400, "2m0s": 120, "-5s": -5, "5s": 5} | {
    "500ms": 0.5,
    "300000h0m0s": 300000 * 3600,
}


def written(kind: str, value: str) -> str:
    """Return a whole configuration that holds `value` under a key of the kind."""
    return TEMPLATE.format(**dict.fromkeys(FIELDS, "") | {kind: value})


def read(kind: str, value: str) -> Any:
    """Return what this engine reads; raises ConfigError."""
    file = open_file("config.yaml", written(kind, value), ENVIRON)
    top, component, key = FIELDS[kind]
    got = getattr(file.root.section(top).section(component), kind)(key)
    if file._problems:
        raise ConfigError("config.yaml", file._problems)
    return list(got) if kind == "words" else got


@pytest.mark.parametrize(("kind", "value", "expected"), RECORDED)
def test_a_value_is_read_as_the_collector_reads_it(kind: str, value: str, expected: Any) -> None:
    """References, types and escapes give what was recorded from the Collector."""
    if expected is None:
        with pytest.raises(ConfigError):
            read(kind, value)
    else:
        got = read(kind, value)
        assert got == (SECONDS[expected] if kind == "seconds" else expected)
        assert type(got) is (float if kind == "seconds" else type(expected))


@pytest.mark.parametrize(("kind", "value", "_"), STRICTER)
def test_a_value_that_is_hardly_meant_is_refused(kind: str, value: str, _: Any) -> None:
    """Where the Collector would guess, or read files, this engine refuses."""
    with pytest.raises(ConfigError):
        read(kind, value)


@needs_otelcol
@pytest.mark.parametrize(("kind", "value", "expected"), RECORDED + STRICTER)
def test_the_record_is_true(kind: str, value: str, expected: Any, tmp_path: Path) -> None:
    """The recorded values are what the Collector at hand reads."""
    (tmp_path / "config.yaml").write_text(written(kind, value))
    resolved = print_config(tmp_path / "config.yaml", ENVIRON)
    if resolved is not None:
        for key in FIELDS[kind]:
            resolved = resolved[key]
    assert resolved == expected


def test_an_unset_variable_is_named() -> None:
    """A reference without a default to an unset variable is a warning with its place."""
    text = "service:\n  pipelines: {a: '${env:MISSING}'}\n"
    (warning,) = open_file("config.yaml", text, {}).warnings
    place = "config.yaml:2: service::pipelines::a"
    assert warning == f"{place}: the environment variable MISSING is not set: it reads as nothing"


def test_a_name_out_of_a_value_is_not_said() -> None:
    """Where one variable names another, its value is a value like all others."""
    text = "a: '${env:NAME}'\nb: '${env:${env:NAME}}'\n"
    (warning,) = open_file("config.yaml", text, {"NAME": "hunter2"}).warnings
    assert warning.startswith("config.yaml:2: b: the environment variable (named by another) is")


def test_an_alias_is_expanded_once() -> None:
    """One reference that three aliases share is one warning, and a deep tower of them no work."""
    tower = "a0: &a0 ['${env:MISSING}']\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 50)
    )
    assert len(open_file("config.yaml", tower, {}).warnings) == 1


@pytest.mark.parametrize("value", ["${env:A}", "${env:A}${env:A}", "x${env:A}"])
def test_a_variable_that_holds_itself_is_refused(value: str) -> None:
    """Replacement has an end, in rounds and in length."""
    with pytest.raises(ConfigError, match="the value of A never ends"):
        open_file("config.yaml", "a: '${env:A}'", {"A": value}).close()
