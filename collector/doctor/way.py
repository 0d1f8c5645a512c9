"""The way through a collector, hop by hop: what is asked at each.

Comes in: what was asked for, the environment. Goes out: steps in their order, as many as the file
has servers; each looks when it is called and may use what an earlier one found. Verdicts are made
elsewhere.
"""

from __future__ import annotations

import socket
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from collector import plan as plans
from collector.doctor import hops
from collector.doctor.reaching import Reached, Reaching
from collector.doctor.rules import expected
from collector.errors import ConfigError
from collector.server.memory import total_bytes
from collector.settings import Access, OtlpHttp, Prometheus
from doctor import mark as marks
from doctor import page as pages
from doctor.asking import Heard, ask
from doctor.prometheus import Prometheus as Server
from doctor.prometheus import Wanted
from doctor.pushing import Receiver, push
from doctor.walk import Step, Verdict, broken, unseen, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from collector.fields.component_id import ComponentId
    from collector.plan import Pipeline, Plan
    from collector.settings import OtlpGrpc

LOOK_SECONDS = 0.2
WAIT_SECONDS = 10.0
"""For the mark on the page: this engine shows it at once, the real one after `batch`."""
JOB = "portless-doctor"
"""It need not be one that rules select: the mark is no metric of theirs."""


class Asked(NamedTuple):
    """What the command line says."""

    config: Path
    prometheus_url: str | None
    jobs: str
    state_dir: Path | None
    client: tuple[str, str | None] | None
    wait_seconds: float | None


class Way:
    """One walk."""

    def __init__(self, asked: Asked, environ: Mapping[str, str]) -> None:
        self._asked = asked
        self._environ = environ
        self._seconds = asked.wait_seconds or WAIT_SECONDS
        who = {"service.name": JOB, "service.instance.id": f"{socket.gethostname()}/doctor"}
        self._mark = marks.mark(who)
        self._text: dict[ComponentId, str] = {}
        """The last page of each exporter."""
        self._taken: set[ComponentId] = set()
        """Receivers that took the mark."""

    def steps(self) -> list[Step]:
        """Every hop, in the order in which a push passes them."""
        file = str(self._asked.config)
        try:
            text = self._asked.config.read_text()
            plan = plans.load(file, text, self._environ, total_bytes())
        except ConfigError as error:
            wrong = broken(str(error), "correct the file; portless-collector validate checks it")
        except OSError as error:
            wrong = broken(f"{error.strerror}", "give the collector's file by --config")
        except UnicodeDecodeError:
            wrong = broken("it is not UTF-8", "write it as UTF-8")
        else:
            return [Step("config", file, lambda: hops.config(plan)), *self._hops(plan)]
        names = ("health", "receivers", "rules", "exposition", "prometheus")
        return [
            Step("config", file, lambda: wrong),
            *(Step(name, file, lambda: unseen("")) for name in names),
        ]

    def _hops(self, plan: Plan) -> Iterator[Step]:
        self._reaching = Reaching(plan, self._environ, self._asked.client)
        yield Step("health", "extensions::health_check", partial(self._health, plan))
        for id_, otlp in plan.receivers.items():
            for name, settings in (("http", otlp.http), ("grpc", otlp.grpc)):
                if settings:
                    where = f"receivers::{id_}::protocols::{name}"
                    yield Step(f"{id_} {name}", where, partial(self._receiver, id_, settings))
        scraped = {id_: one for id_, one in plan.exporters.items() if isinstance(one, Prometheus)}
        for id_, exporter in scraped.items():
            look = partial(self._page, id_, exporter)
            yield Step(f"{id_} page", f"exporters::{id_}", look)
        if not scraped:
            nothing = "no exporter of the file is scraped; what is pushed on is not followed"
            yield Step("page", "exporters", lambda: unseen(nothing))
        for pipeline in plan.pipelines:
            for id_ in pipeline.exporters:
                if id_ in scraped:
                    where = f"service::pipelines::{pipeline.name}::processors"
                    look = partial(self._rules, pipeline, id_, scraped[id_])
                    name = f"{pipeline.name} rules" + (f" to {id_}" if len(scraped) > 1 else "")
                    yield Step(name, where, look)
        where = "--state-dir of the collector"
        yield Step("state", where, partial(hops.state, self._asked.state_dir))
        yield Step("refusals", "what is pushed", partial(self._refusals, plan))
        for id_, exporter in scraped.items():
            look = partial(self._prometheus, exporter)
            yield Step(f"{id_} scrape", "the scrape job of Prometheus", look)

    def _health(self, plan: Plan) -> Verdict:
        self._before = self._own(plan)
        check = plan.health_check
        if check is None:
            return unseen("service::extensions names no health_check")
        way = self._reaching.reach(check.endpoint, check.access)
        if isinstance(way, Verdict):
            return way
        heard = ask(way.session, "GET", f"{way.base}{check.path}", **way.options)
        return hops.health(heard, way.place)

    def _receiver(self, id_: ComponentId, settings: OtlpHttp | OtlpGrpc) -> Verdict:
        way = self._reaching.reach(settings.endpoint, settings.access)
        if isinstance(way, Verdict):
            return way
        is_grpc = not isinstance(settings, OtlpHttp)
        certificate, key = self._reaching.client or (None, None)
        to = Receiver(
            is_grpc=is_grpc,
            address=way.place if is_grpc else f"{way.base}/v1/metrics",
            where=way.place,
            headers=way.headers,
            is_secure=way.tls is not None,
            authority=way.tls.cert_file if way.tls else None,
            certificate=certificate if is_grpc else None,  # over HTTP the session has it
            key=key if is_grpc else None,
            name=way.name,
            session=way.session,
        )
        verdict = hops.receiver(push(to, marks.request(self._mark)), way.place)
        if verdict.ok:
            self._taken.add(id_)
        return verdict

    def _page(self, id_: ComponentId, exporter: Prometheus) -> Verdict:
        way = self._reaching.reach(exporter.endpoint, exporter.access)
        if isinstance(way, Verdict):
            return way
        waiting(f"for the mark on the page of {id_}, {self._seconds:.0f} s at most")
        ends_at = monotonic() + self._seconds
        heard = self._read(way)
        verdict = hops.page(heard, way.place)
        while verdict.ok:
            self._text[id_] = heard.body.decode(errors="replace")
            shown = self._mark.on(self._text[id_]) or not self._taken
            if shown or monotonic() > ends_at:
                break
            sleep(LOOK_SECONDS)
            heard = self._read(way)
            verdict = hops.page(heard, way.place)
        return verdict

    def _read(self, way: Reached) -> Heard:
        return ask(way.session, "GET", f"{way.base}/metrics", **way.options)

    def _rules(self, pipeline: Pipeline, id_: ComponentId, exporter: Prometheus) -> Verdict:
        if self._taken.isdisjoint(pipeline.receivers):
            return unseen("the mark was given to none of its receivers")
        if id_ not in self._text:
            return unseen(f"the page of {id_} could not be read")
        return hops.rules(expected(pipeline, exporter), self._mark, self._text[id_])

    def _own(self, plan: Plan) -> str:
        """The collector's page about itself; empty where there is none."""
        endpoint = plan.self_telemetry.metrics
        way = self._reaching.reach(endpoint, Access()) if endpoint else None
        if not isinstance(way, Reached):
            return ""
        heard = self._read(way)
        return "" if pages.fault(heard, way.place) else heard.body.decode(errors="replace")

    def _refusals(self, plan: Plan) -> Verdict:
        after = self._own(plan)
        if not after:
            return unseen("the collector's page about itself cannot be read")
        return hops.refusals(self._before, after)

    def _prometheus(self, exporter: Prometheus) -> Verdict:
        asked = self._asked
        if asked.prometheus_url is None:
            return unseen("give --prometheus with its address")
        if not self._taken:
            return unseen("the mark was given to no receiver")
        page = f"http://{exporter.endpoint.host}:{exporter.endpoint.port}/metrics"
        expires = exporter.metric_expiration_seconds
        wanted = Wanted(page, self._mark, asked.wait_seconds, asked.jobs, expires)
        return Server(asked.prometheus_url).look(wanted)
