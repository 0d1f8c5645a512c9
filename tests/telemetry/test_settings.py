from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry import settings
from telemetry.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults() -> None:
    """With nothing set: HTTP, every 5 s, 2 s a try."""
    assert settings.read({}) == Settings(
        enabled=True,
        protocol="http/protobuf",
        interval_seconds=5.0,
        timeout_seconds=2.0,
        collector="localhost",
        state_dir=None,
        warnings=(),
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_SDK_DISABLED": " TRUE "},
        {"OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_METRIC_EXPORT_INTERVAL": "never"},
    ],
)
def test_off(environ: dict[str, str]) -> None:
    """Switched off is off, whatever else is there."""
    assert settings.read(environ) == Settings(enabled=False)


def test_the_state_directory_is_a_full_path(tmp_path: Path) -> None:
    """Off unless it is named, and never relative to where a process happens to be."""
    assert settings.read({"PORTLESS_STATE_DIR": f" {tmp_path} "}).state_dir == tmp_path
    assert settings.state_dir({"PORTLESS_STATE_DIR": " "}) is None
    with pytest.raises(SettingsError, match=r"PORTLESS_STATE_DIR.*absolute"):
        settings.read({"PORTLESS_STATE_DIR": "run/portless"})


@pytest.mark.parametrize("value", ["", "false", "1", "yes"])
def test_only_true_disables(value: str) -> None:
    """OpenTelemetry knows one word for it."""
    assert settings.read({"OTEL_SDK_DISABLED": value}).enabled


def test_the_environment_wins_over_the_argument() -> None:
    """The interval: from the variable in milliseconds, else from the argument in seconds."""
    environ = {"OTEL_METRIC_EXPORT_INTERVAL": "1500"}
    assert settings.read(environ, export_interval_seconds=9).interval_seconds == 1.5
    assert settings.read({}, export_interval_seconds=9).interval_seconds == 9.0


def test_timeouts() -> None:
    """The exporter's variables are seconds, the reader's are milliseconds, the least counts."""
    common = {"OTEL_EXPORTER_OTLP_TIMEOUT": "7"}
    assert settings.read(common).timeout_seconds == 7.0
    both = {**common, "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "3"}
    assert settings.read(both).timeout_seconds == 3.0
    assert settings.read({**both, "OTEL_METRIC_EXPORT_TIMEOUT": "500"}).timeout_seconds == 0.5


def test_a_timeout_that_was_meant_in_milliseconds_is_mentioned() -> None:
    """Python reads seconds where the specification says milliseconds."""
    (warning,) = settings.read({"OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}).warnings
    assert "OTEL_EXPORTER_OTLP_TIMEOUT=1000 means seconds" in warning


def test_delta_is_mentioned() -> None:
    """It is followed where a lost export can only lose the user's own numbers."""
    name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    assert settings.read({name: "cumulative"}).warnings == ()
    (warning,) = settings.read({name: "delta"}).warnings
    assert "stay cumulative" in warning


def test_protocols() -> None:
    """The metrics' own variable comes before the common one."""
    common, own = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"
    assert settings.read({common: "grpc"}).protocol == "grpc"
    assert settings.read({common: "grpc", own: "http/protobuf"}).protocol == "http/protobuf"


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("https://user:secret@otel.example:4318/v1/metrics?key=secret", "otel.example:4318"),
        ("http://127.0.0.1:4318", "127.0.0.1:4318"),
        ("collector:4317", "collector:4317"),
        ("http://otel.example?key=secret", "otel.example"),
    ],
)
def test_the_log_shows_host_and_port_alone(endpoint: str, shown: str) -> None:
    """An endpoint can hold a password or a key."""
    assert settings.read({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}).collector == shown


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "listens on a port"),
        ({"OTEL_METRICS_EXPORTER": "otlp,prometheus"}, "listens on a port"),
        ({"OTEL_METRICS_EXPORTER": "console"}, "'console'; otlp and none are possible"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "'http/json'; http/protobuf and grpc"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "often"}, "a number of milliseconds above 0"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "0"}, "a number of milliseconds above 0"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "nan"}, "a number of milliseconds above 0"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "-1"}, "a number of seconds above 0"),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "inf"}, "a number of milliseconds above 0"),
    ],
)
def test_what_cannot_be_done_is_refused(environ: dict[str, str], words: str) -> None:
    """At the start, with the variable's name and what is possible."""
    with pytest.raises(SettingsError, match=next(iter(environ))) as refusal:
        settings.read(environ)
    assert words in str(refusal.value)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_argument_is_refused(seconds: float) -> None:
    """An interval has to be above 0 and to end."""
    with pytest.raises(SettingsError, match="export_interval_seconds"):
        settings.read({}, export_interval_seconds=seconds)


def test_attributes() -> None:
    """Names of headers, from the variable or else from the argument, each once."""
    assert settings.read({}, attributes=["tenant_id", "tenant_id", "x"]).attributes == (
        "tenant_id",
        "x",
    )
    environ = {"PORTLESS_ATTRIBUTES": "region , tenant_id", "PORTLESS_ATTRIBUTES_MAX": "7"}
    read = settings.read(environ, attributes=["x"])
    assert (read.attributes, read.attributes_max) == (("region", "tenant_id"), 7)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (["task_name"], "which metrics have already"),
        (["tenant id"], "the name of a header"),
        ("tenant_id", "a list of headers' names"),
    ],
)
def test_attributes_that_cannot_be_are_refused(attributes: list[str], words: str) -> None:
    """A key that metrics have already would be there twice."""
    with pytest.raises(SettingsError, match=words):
        settings.read({}, attributes=attributes)
    with pytest.raises(SettingsError, match="PORTLESS_ATTRIBUTES_MAX"):
        settings.read({"PORTLESS_ATTRIBUTES_MAX": "many"})


def test_traces_are_exported_where_that_is_asked_for() -> None:
    """Not by default; by the protocol for traces, or else the common one."""
    assert settings.read({}).traces is None
    asked = {"OTEL_TRACES_EXPORTER": "otlp"}
    assert settings.read(asked).traces == "http/protobuf"
    environ = {**asked, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}
    assert settings.read(environ).traces == "grpc"
    assert settings.read(environ).protocol == "http/protobuf"
    other = settings.read({"OTEL_TRACES_EXPORTER": "zipkin,none"})
    assert other.traces is None
    assert "asks for zipkin" in other.warnings[0]
    off = {**asked, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests, celery"}
    assert not settings.read(off).traces_of_tasks


def test_what_exceptions_say_is_kept_where_that_is_asked_for() -> None:
    """By the variable, or else by the argument; another word is refused."""
    name = "PORTLESS_TRACE_EXCEPTIONS"
    assert settings.read({}).trace_exceptions == "scrub"
    assert settings.read({}, trace_exceptions="keep").trace_exceptions == "keep"
    assert settings.read({name: "scrub"}, trace_exceptions="keep").trace_exceptions == "scrub"
    with pytest.raises(SettingsError, match=name):
        settings.read({name: "yes"})


def test_grpc_is_refused_among_greenlets() -> None:
    """It would stop all of them while it exports."""
    with pytest.raises(SettingsError, match="every greenlet of gevent"):
        settings.read({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, green="gevent")


def test_observing_can_be_switched_off() -> None:
    """A worker may observe its broker unless it is told not to, in a word that is understood."""
    assert settings.read({}).observe
    assert settings.read({"PORTLESS_OBSERVE": "True"}).observe
    assert not settings.read({"PORTLESS_OBSERVE": "false"}).observe
    with pytest.raises(SettingsError, match="PORTLESS_OBSERVE is 'off'; true and false"):
        settings.read({"PORTLESS_OBSERVE": "off"})


def test_canaries_fly_only_when_asked() -> None:
    """By variable or argument; the variable wins, and 0 turns the argument off."""
    assert settings.read({}).canary_interval_seconds is None
    assert settings.read({}, canary_interval_seconds=60).canary_interval_seconds == 60
    asked = {"PORTLESS_CANARY_INTERVAL": "5", "PORTLESS_CANARY_TIMEOUT": "1.5"}
    assert settings.read(asked, canary_interval_seconds=60).canary_interval_seconds == 5
    assert settings.read(asked).canary_timeout_seconds == 1.5
    off = {"PORTLESS_CANARY_INTERVAL": "0"}
    assert settings.read(off, canary_interval_seconds=60).canary_interval_seconds is None
    with pytest.raises(SettingsError, match="PORTLESS_CANARY_INTERVAL"):
        settings.read({"PORTLESS_CANARY_INTERVAL": "-1"})
    with pytest.raises(SettingsError, match="canary_interval_seconds"):
        settings.read({}, canary_interval_seconds=0)
