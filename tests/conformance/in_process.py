"""The engine in this process: no socket, and a clock that can be set.

A configuration comes in, something that posts and scrapes comes out, as from a program. It does not
know what the answers should be.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from collector import errors, plan
from collector.engine import STREAMS_MAX
from collector.exposition.negotiate import negotiate
from collector.river import River
from tests.conformance.cases import Case, Dialect, Form, Request
from tests.conformance.served import ACCEPT, protobuf_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Pipeline:
    """The engine with one configuration."""

    def __init__(self, config: Path, streams_max: int = STREAMS_MAX) -> None:
        made = plan.load(config.name, config.read_text(), {})
        self._river = River(made, streams_max)
        self._intake = self._river.intake(next(iter(made.receivers)), "http")
        self._outlet = next(iter(self._river.prometheus.values()))
        self._now = 1_000_000.0

    def wait(self, seconds: float) -> None:
        self._now += seconds

    def post(self, request: Request) -> str:
        is_json = request.content_type == "application/json"
        accept = self._intake.accept_json if is_json else self._intake.accept
        try:
            accept(request.body, self._now)
        except errors.Refused as refused:
            return str(errors.HTTP_STATUS[refused.code])
        return "200"

    def scrape(self, form: Form) -> str:
        self._river.tick(self._now)
        offered = self._outlet.settings.enable_open_metrics
        page = self._outlet.scrape(negotiate(ACCEPT[form], open_metrics=offered))
        return protobuf_text(page) if form is Form.PROTOBUF else page.decode()


class InProcess:
    """The engine in this process."""

    name = "engine"
    dialect = Dialect.OURS

    def cannot(self, case: Case) -> str | None:
        return "it has no server" if case.needs_a_server else None

    @contextmanager
    def run(self, case: Case) -> Iterator[Pipeline]:
        yield Pipeline(case.config, case.max_streams or STREAMS_MAX)

    def complain(self, config: Path) -> str | None:
        try:
            plan.load(config.name, config.read_text(), {})
        except errors.ConfigError as refused:
            return f"{refused}\n"
        return None
