"""The OTEL_* environment, checked and frozen: what to send, how often, by which protocol.

Comes in: a mapping of environment variables and what `instrument` was told. Goes out: `Settings`,
or a `SettingsError` that says what contradicts what. What the SDK's exporter reads by itself
(endpoint, headers, compression, certificates) is left to it; this file knows no SDK and no Celery.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from telemetry import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Protocol = Literal["http/protobuf", "grpc"]

INTERVAL_SECONDS = 5.0
"""A counter is at most this old at the collector; Prometheus scrapes every 15 to 60 s."""
TIMEOUT_SECONDS = 2.0
"""One export; with a final one it keeps a stop under 3 s while nobody answers."""
_TIMEOUT_SECONDS_SUSPICIOUS = 60.0
ATTRIBUTES_MAX = 1000
"""About 5 series each, so some 600 kB a push at most; a process sends every 5 s."""
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
CANARY_TIMEOUT_SECONDS = 30.0
"""For each stage of a canary; an idle SQL broker takes a second or two."""
STATE_DIR = "PORTLESS_STATE_DIR"
"""The variable that names the directory for what a process leaves to others on its host."""

OBSERVE = "PORTLESS_OBSERVE"
"""The variable that keeps workers from observing their broker's queues."""


class SettingsError(ValueError):
    """The environment asks for what cannot be done; the message says what and what to do."""


@dataclass(frozen=True)
class Settings:
    """How this process exports."""

    enabled: bool = True
    """False: nothing is watched, counted or sent."""
    protocol: Protocol = "http/protobuf"
    interval_seconds: float = INTERVAL_SECONDS
    timeout_seconds: float = TIMEOUT_SECONDS
    collector: str = "localhost"
    """Host and port of the endpoint, for the log: the rest of the address may hold a secret."""
    attributes: tuple[str, ...] = ()
    """Message headers that become attributes of the tasks' metrics."""
    attributes_max: int = ATTRIBUTES_MAX
    """Sets of their values in one process, each with a task and a queue."""
    traces: Protocol | None = None
    """By which protocol spans are exported; None: not by us."""
    traces_of_tasks: bool = True
    """False where OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names Celery."""
    trace_exceptions: Literal["scrub", "keep"] = "scrub"
    """What becomes of that which exceptions say in spans."""
    state_dir: Path | None = None
    """Where workers keep what has to outlive them; None: nowhere."""
    observe: bool = True
    """Whether a worker may be the one that observes its broker's queues."""
    canary_interval_seconds: float | None = None
    """How often a worker sends itself a message through the broker; None: never."""
    canary_timeout_seconds: float = CANARY_TIMEOUT_SECONDS
    warnings: tuple[str, ...] = ()
    """Sentences for the log."""


def read(
    environ: Mapping[str, str],
    *,
    green: str | None = None,
    export_interval_seconds: float | None = None,
    attributes: Iterable[str] = (),
    canary_interval_seconds: float | None = None,
    trace_exceptions: str = "scrub",
) -> Settings:
    """The settings of a process; `green` names the library that made its threads greenlets.

    The environment wins over the argument, as everywhere in OpenTelemetry; an empty variable counts
    as unset (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
    Raises `SettingsError`.
    """
    environ = {key: value.strip() for key, value in environ.items() if value.strip()}
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not _exports(environ):
        return Settings(enabled=False)
    warnings: list[str] = []
    return Settings(
        protocol=_protocol(environ, green, "METRICS"),
        interval_seconds=_interval_seconds(environ, export_interval_seconds),
        timeout_seconds=_timeout_seconds(environ, warnings),
        collector=_collector(environ),
        attributes=_attributes(environ, attributes),
        traces=_protocol(environ, green, "TRACES") if _traces(environ, warnings) else None,
        traces_of_tasks=_traces_of_tasks(environ),
        trace_exceptions=_trace_exceptions(environ, trace_exceptions),
        attributes_max=_attributes_max(environ),
        state_dir=state_dir(environ),
        observe=_observe(environ),
        canary_interval_seconds=_canary_interval_seconds(environ, canary_interval_seconds),
        canary_timeout_seconds=_number(environ, "PORTLESS_CANARY_TIMEOUT", "seconds")
        or CANARY_TIMEOUT_SECONDS,
        warnings=(*warnings, *_temporality_warning(environ)),
    )


def state_dir(environ: Mapping[str, str]) -> Path | None:
    """The state directory that the environment names; it need not exist yet.

    Raises `SettingsError` where the path is relative: a worker may change its directory, and what
    looks for its files was started elsewhere.
    """
    text = environ.get(STATE_DIR, "").strip()
    if not text:
        return None
    path = Path(text)
    if not path.is_absolute():
        raise SettingsError(f"{STATE_DIR} is {text!r}; it must be an absolute path")
    return path


def _attributes(environ: Mapping[str, str], argument: Iterable[str]) -> tuple[str, ...]:
    text = environ.get("PORTLESS_ATTRIBUTES")
    given = argument if text is None else [word.strip() for word in text.split(",")]
    if isinstance(given, str):
        raise SettingsError(f"attributes is {given!r}; it must be a list of headers' names")
    names = tuple(dict.fromkeys(given))
    for name in names:
        if not _ATTRIBUTE.fullmatch(name):
            raise SettingsError(f"attributes has {name!r}; it must be the name of a header")
        if name in catalog.ATTRIBUTES:
            raise SettingsError(f"attributes has {name!r}, which metrics have already")
    return names


def _attributes_max(environ: Mapping[str, str]) -> int:
    text = environ.get("PORTLESS_ATTRIBUTES_MAX", str(ATTRIBUTES_MAX))
    if not text.isdecimal() or not int(text):
        raise SettingsError(f"PORTLESS_ATTRIBUTES_MAX is {text!r}; it must be a number above 0")
    return int(text)


def _observe(environ: Mapping[str, str]) -> bool:
    wanted = environ.get(OBSERVE, "true").lower()
    if wanted not in {"true", "false"}:
        raise SettingsError(f"{OBSERVE} is {environ[OBSERVE]!r}; true and false are possible")
    return wanted == "true"


def _exports(environ: Mapping[str, str]) -> bool:
    name = "OTEL_METRICS_EXPORTER"
    wanted = {word.strip() for word in environ.get(name, "otlp").split(",")}
    if wanted == {"none"}:
        return False
    if "prometheus" in wanted:
        raise SettingsError(
            f"{name} asks for prometheus, which listens on a port; workers only push: "
            "set it to otlp and scrape the collector"
        )
    if wanted != {"otlp"}:
        raise SettingsError(f"{name} is {environ[name]!r}; otlp and none are possible")
    return True


def _traces(environ: Mapping[str, str], warnings: list[str]) -> bool:
    """Whether spans are to be exported by OTLP: only where that is asked for."""
    name = "OTEL_TRACES_EXPORTER"
    wanted = {word.strip() for word in environ.get(name, "none").split(",")}
    if others := wanted - {"otlp", "none"}:
        warnings.append(
            f"{name} asks for {', '.join(sorted(others))}: of spans, only otlp is set up here; "
            "what opentelemetry-instrument sets up is used as it is"
        )
    return "otlp" in wanted


def _traces_of_tasks(environ: Mapping[str, str]) -> bool:
    disabled = environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return not {"celery", "*"} & {word.strip() for word in disabled}


def _trace_exceptions(environ: Mapping[str, str], argument: str) -> Literal["scrub", "keep"]:
    name = "PORTLESS_TRACE_EXCEPTIONS"
    value = environ.get(name, argument).lower()
    if value == "keep":
        return "keep"
    if value == "scrub":
        return "scrub"
    raise SettingsError(f"{name} is {value!r}; scrub and keep are possible")


def _protocol(environ: Mapping[str, str], green: str | None, signal: str) -> Protocol:
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        value = environ.get(name)
        if value == "http/protobuf":
            return "http/protobuf"
        if value == "grpc" and green:
            raise SettingsError(
                f"{name}=grpc stops every greenlet of {green} for as long as an export takes; "
                "use http/protobuf"
            )
        if value == "grpc":
            return "grpc"
        if value is not None:
            raise SettingsError(f"{name} is {value!r}; http/protobuf and grpc are possible")
    return "http/protobuf"


def _interval_seconds(environ: Mapping[str, str], argument: float | None) -> float:
    milliseconds = _number(environ, "OTEL_METRIC_EXPORT_INTERVAL", "milliseconds")
    if milliseconds is not None:
        return milliseconds / 1000
    if argument is None:
        return INTERVAL_SECONDS
    if not 0 < argument < float("inf"):
        raise SettingsError(f"export_interval_seconds is {argument!r}; it must be above 0")
    return float(argument)


def _canary_interval_seconds(environ: Mapping[str, str], argument: float | None) -> float | None:
    """Off unless asked for: it writes to the application's broker; 0 turns an argument off."""
    name = "PORTLESS_CANARY_INTERVAL"
    if environ.get(name) == "0":
        return None
    seconds = _number(environ, name, "seconds")
    if seconds is not None:
        return seconds
    if argument is not None and not 0 < argument < float("inf"):
        raise SettingsError(f"canary_interval_seconds is {argument!r}; it must be above 0")
    return argument


def _timeout_seconds(environ: Mapping[str, str], warnings: list[str]) -> float:
    """The time for one export: the exporter's own limit and the reader's, whichever is less."""
    seconds = TIMEOUT_SECONDS
    for name in ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"):
        value = _number(environ, name, "seconds")
        if value is not None:
            seconds = value
            if value > _TIMEOUT_SECONDS_SUSPICIOUS:
                warnings.append(
                    f"{name}={environ[name]} means seconds in OpenTelemetry for Python, "
                    "although the specification says milliseconds"
                )
            break
    milliseconds = _number(environ, "OTEL_METRIC_EXPORT_TIMEOUT", "milliseconds")
    return seconds if milliseconds is None else min(seconds, milliseconds / 1000)


def _collector(environ: Mapping[str, str]) -> str:
    for name in ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if name in environ:
            address = environ[name] if "://" in environ[name] else f"//{environ[name]}"
            return urlsplit(address).netloc.rpartition("@")[2]
    return "localhost"


def _temporality_warning(environ: Mapping[str, str]) -> tuple[str, ...]:
    name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    if environ.get(name, "cumulative").lower() == "cumulative":
        return ()
    sentence = (
        f"{name}={environ[name]} is followed for your own instruments; the metrics of tasks and "
        "workers stay cumulative, so that a lost export loses nothing"
    )
    return (sentence,)


def _number(environ: Mapping[str, str], name: str, unit: str) -> float | None:
    text = environ.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} is {text!r}; it must be a number of {unit} above 0")
    return value
