"""A directory of golden files -> a `Case`: what is posted, step by step, and what must be exposed.

One directory holds one promise and its name is the sentence. This file reads directories; it does
not know how an engine is run, nor how a text is judged.

    why.md                        what is promised, and to whom
    config.yaml                   absent: the repository's otel-collector.yaml
    N.request.json  N.request.pb  what stage N posts, as JSON or as protobuf; absent: nothing
    N.request.protocol            `http` or `grpc`; absent: http
    N.request.padding             how many blanks follow the body; absent: none
    N.request.encoding            how the body is packed on its way; absent: not at all
    N.request.headers             what is sent beside it, `name: value` a line; metadata of a call
    N.expected.status             of the answer, HTTP's number or gRPC's name; absent: 200 or OK
    N.after_seconds               how far the clock moves before stage N
    N.expected.prom               the exposition after stage N, in text format 0.0.4
    N.expected.openmetrics.prom   the same in OpenMetrics; absent: not asked for
    N.expected.protobuf.prom      the same in delimited protobuf, as text; absent: not asked for
    N.expected.utf8.prom          the same in text for clients that take UTF-8 in names; likewise
    N.expected.self.prom          what stands on the page of the collector's own metrics about the
                                  names in this file; likewise
    max_streams                   how many streams our collector may let live; absent: its default
    expected.error                instead of stages: how config.yaml is refused

Where the OpenTelemetry Collector differs there is `N.expected.otelcol.prom`,
`N.expected.otelcol.openmetrics.prom` or `N.expected.otelcol.status`, and why.md says why. Where it
leaves the choice between answers to chance there are `N.expected.otelcol-1.prom`,
`N.expected.otelcol-2.prom`, ….
It words its errors differently: `expected.otelcol.error` is a part of what it says, and without
that file it takes the configuration.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DEFAULT_CONFIG = ROOT / "otel-collector.yaml"


class Dialect(enum.Enum):
    """Whose answers are expected; the value is the part of a file's name that says so."""

    OURS = ""
    OTELCOL = ".otelcol"


class Form(enum.Enum):
    """A format of the exposition; the value is the part of a file's name that says so."""

    TEXT = ""
    OPENMETRICS = ".openmetrics"
    PROTOBUF = ".protobuf"
    UTF8 = ".utf8"
    SELF = ".self"
    """Not of the exposition but of the collector's own metrics, of which there are always more."""


@dataclass(frozen=True)
class Request:
    """A body as a client posts it."""

    body: bytes
    """Not packed."""
    content_type: str
    protocol: str = "http"
    encoding: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def needs_a_server(self) -> bool:
        """Whether it is about more than the body."""
        return (self.protocol, self.encoding, self.headers) != ("http", "", ())


@dataclass(frozen=True)
class Stage:
    """One step of a case; the engine keeps its state from step to step."""

    directory: Path
    number: int

    @property
    def request(self) -> Request | None:
        """What is posted; None where the stage only lets time pass."""
        for suffix, content_type in (
            ("json", "application/json"),
            ("pb", "application/x-protobuf"),
        ):
            path = self.path(f"request.{suffix}")
            if path.exists():
                headers = [
                    line.split(": ", 1) for line in self._said("request.headers").split("\n")
                ]
                return Request(
                    path.read_bytes() + b" " * int(self._said("request.padding") or 0),
                    content_type,
                    self._said("request.protocol") or "http",
                    self._said("request.encoding"),
                    tuple((pair[0], pair[1]) for pair in headers if len(pair) > 1),
                )
        return None

    def status(self, dialect: Dialect) -> str:
        """The status with which the request must be answered."""
        usual = "OK" if self._said("request.protocol") == "grpc" else "200"
        ours = self._said("expected.status") or usual
        return self._said(f"expected{dialect.value}.status") or ours

    def _said(self, name: str) -> str:
        path = self.path(name)
        return path.read_text().strip() if path.exists() else ""

    @property
    def after_seconds(self) -> float:
        """How far the clock moves before the request."""
        path = self.path("after_seconds")
        return float(path.read_text()) if path.exists() else 0.0

    def expected(self, dialect: Dialect, form: Form) -> list[str]:
        """The texts of which the exposition must be one; none where this form is not asked for."""
        for name in (f"expected{dialect.value}", f"expected{dialect.value}-?", "expected"):
            paths = sorted(self.directory.glob(f"{self.number}.{name}{form.value}.prom"))
            if paths:
                return [read_exactly(path) for path in paths]
        return []

    def path(self, name: str) -> Path:
        """Where a file of this stage stands."""
        return self.directory / f"{self.number}.{name}"


@dataclass(frozen=True)
class Case:
    """A directory of golden files."""

    directory: Path

    @property
    def name(self) -> str:
        """The promise, as the directory's name tells it."""
        return self.directory.name

    @property
    def config(self) -> Path:
        """The configuration that the engines run."""
        own = self.directory / "config.yaml"
        return own if own.exists() else DEFAULT_CONFIG

    @property
    def max_streams(self) -> int | None:
        """How many streams our collector may let live; None for its default."""
        path = self.directory / "max_streams"
        return int(path.read_text()) if path.exists() else None

    @property
    def stages(self) -> list[Stage]:
        """The steps in their order; none in a case about a refused configuration."""
        numbers = {int(path.name.split(".")[0]) for path in self.directory.glob("[0-9]*.*")}
        return [Stage(self.directory, number) for number in sorted(numbers)]

    @property
    def moves_the_clock(self) -> bool:
        """Whether only an engine whose clock can be set is able to run it."""
        return any(stage.after_seconds for stage in self.stages)

    @property
    def needs_a_server(self) -> bool:
        """Whether only an engine behind a server is able to run it."""
        asked = [stage.request for stage in self.stages]
        own = any(stage.expected(Dialect.OURS, Form.SELF) for stage in self.stages)
        return own or any(request and request.needs_a_server for request in asked)

    @property
    def is_refused(self) -> bool:
        """Whether the case is about a configuration that must not be run."""
        return (self.directory / "expected.error").exists()

    def expected_error(self, dialect: Dialect) -> str | None:
        """What is said when the configuration is refused; None where it is taken."""
        path = self.directory / f"expected{dialect.value}.error"
        return read_exactly(path) if path.exists() else None


def read_exactly(path: Path) -> str:
    """A file's text with its line ends as they are; a label's value may hold a carriage return."""
    return path.read_bytes().decode()


def all_cases(directory: Path = HERE / "cases") -> list[Case]:
    """Every case, in the order of `ls`."""
    return [Case(path) for path in sorted(directory.iterdir()) if path.is_dir()]
