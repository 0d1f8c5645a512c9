"""Prometheus' own API -> whether it has the mark, under which names, and if not, why.

Comes in: its address, the page that it should scrape, the mark. Goes out: a verdict. Errors that
Prometheus tells of its targets are not repeated: they quote addresses.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests

from doctor.asking import Failure, ask, place_of, skewed
from doctor.mark import PATTERN
from doctor.page import Sample
from doctor.walk import Verdict, broken, fine, unseen, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from doctor.mark import Mark

LOOK_SECONDS = 0.5
WAIT_SECONDS_MAX = 130.0
"""Two scrapes at Prometheus' default interval of a minute; who scrapes less often says --wait."""
CLOCK_SECONDS = 1.5
"""A skew is known to a second."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class Target(NamedTuple):
    """What Prometheus scrapes, and how that goes."""

    url: str
    job: str
    """The name of its scrape job."""
    health: str
    error: str
    interval_seconds: float
    timeout_seconds: float
    scraped_at: float = 0.0
    """When its last scrape began, by Prometheus' clock, seconds since 1970; 0 before the first."""


class Wanted(NamedTuple):
    """What is looked for, and how long."""

    page_url: str
    mark: Mark
    wait_seconds: float | None
    """None: as long as its scrape interval makes sensible."""
    jobs: str
    """A regular expression: what rules and dashboards select by `job`."""
    expires_seconds: float | None = None
    """When a silent series leaves the page; None where that is not known."""


class _AnswersNot(Exception):  # noqa: N818 - it is no error of ours
    """Prometheus cannot be asked."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


class Prometheus:
    """One server."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self.where = place_of(url)
        self._session = requests.Session()
        self.skew_seconds: float | None = None

    def look(self, wanted: Wanted) -> Verdict:
        """Wait for the mark, and say what became of it."""
        try:
            return self._look(wanted)
        except _AnswersNot as error:
            return error.verdict

    def _look(self, wanted: Wanted) -> Verdict:
        targets = reading(self._targets(), wanted.page_url)
        if skewed(self.skew_seconds):
            return broken(
                f"Prometheus' clock is {self.skew_seconds:+.0f} s from this machine's",
                "let both keep time by NTP: ages, and alerts on them, are wrong by as much",
            )
        interval = min((target.interval_seconds for target in targets), default=0.0)
        if targets and wanted.expires_seconds and interval >= wanted.expires_seconds:
            return broken(
                f"Prometheus scrapes every {interval:g} s, and metric_expiration takes silent "
                f"series from the page after {wanted.expires_seconds:g} s: workers vanish unseen",
                "make scrape_interval shorter, or metric_expiration several times as long",
            )
        sensible = interval + max((target.timeout_seconds for target in targets), default=30.0)
        seconds = wanted.wait_seconds or sensible
        if wanted.wait_seconds is None and sensible > WAIT_SECONDS_MAX:
            return unseen(f"Prometheus scrapes every {interval:g} s; give --wait {sensible:.0f}")
        waiting(f"for Prometheus' next scrape, {seconds:.0f} s at most")
        found = self._wait(wanted.mark, seconds)
        if found is not None:
            return kept(found, wanted, reading(self._targets(), wanted.page_url))
        targets = reading(self._targets(), wanted.page_url)
        since = wanted.mark.value + (self.skew_seconds or 0.0) + CLOCK_SECONDS
        if any(one.health == "up" and one.scraped_at < since for one in targets):
            how = f"in {seconds:.0f} s, though every {interval:g} s is meant"
            return unseen(f"Prometheus did not scrape {how}; give --wait {sensible:.0f} or more")
        return missing(targets, self._targets(), wanted.page_url)

    def _wait(self, mark: Mark, seconds: float) -> Sample | None:
        ends_at = monotonic() + seconds
        while True:
            found = mark.among(self._samples())
            if found is not None or monotonic() > ends_at:
                return found
            sleep(LOOK_SECONDS)

    def _samples(self) -> list[Sample]:
        data = self._ask("query", query=f'{{__name__=~"{PATTERN}"}}')
        return [_sample(one) for one in data["result"]]

    def _targets(self) -> list[Target]:
        data = self._ask("targets", state="active")
        return [_target(one) for one in data["activeTargets"]]

    def _ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        heard = ask(self._session, "GET", f"{self._url}/api/v1/{path}", params=parameters)
        self.skew_seconds = heard.skew_seconds
        try:
            answer = json.loads(heard.body)
            if heard.status == 200 and answer["status"] == "success":
                return answer["data"]
        except (ValueError, KeyError, TypeError):
            pass  # as what is no answer of Prometheus'
        raise _AnswersNot(unusable(heard.failure, heard.status, self.where))


def unusable(failure: Failure | None, status: int, where: str) -> Verdict:
    """Why Prometheus cannot be asked."""
    if failure:
        what = f"Prometheus at {where} cannot be asked: {failure.value}"
        return broken(what, "start it, or correct --prometheus; its port is 9090 by default")
    if status in {401, 403}:
        what = f"Prometheus at {where} asks who is there, and refused ({status})"
        return broken(what, "write the login into ~/.netrc, or into the address of --prometheus")
    what = f"what answers at {where} is no Prometheus ({status})"
    return broken(what, "correct --prometheus: the address, with the prefix of its pages if any")


def reading(targets: Sequence[Target], page_url: str) -> list[Target]:
    """Those that read this page: by address, or by port and path where names differ."""
    wanted = _parts(page_url)
    same = [one for one in targets if _parts(one.url) == wanted]
    return same or [one for one in targets if _parts(one.url)[1:] == wanted[1:]]


def kept(found: Sample, wanted: Wanted, targets: Sequence[Target]) -> Verdict:
    """Prometheus has the mark: whether under its own names."""
    labels, mark = found.labels, wanted.mark
    if "exported_instance" in labels or "exported_job" in labels:
        return broken(
            "Prometheus has put its own job and instance over the workers': "
            f"job is {labels.get('job')!r}, and theirs is exported_job",
            "set honor_labels: true in the scrape job of the collector",
        )
    if labels.get("job") not in (*mark.jobs, *(target.job for target in targets)):
        return broken(
            f"the job in Prometheus is {labels.get('job')!r}, and {mark.jobs[0]!r} was pushed",
            "remove the relabelling of `job` from the scrape job, and set honor_labels: true",
        )
    for target in targets:
        if not re.fullmatch(wanted.jobs, target.job):
            return other_job(target.job, wanted.jobs, "the scrape job")
    twice = " (by several targets: one is enough)" if len(targets) > 1 else ""
    how = f", scraped every {targets[0].interval_seconds:g} s{twice}" if targets else ""
    return fine(f"Prometheus has the mark under its own job and instance{how}")


def other_job(job: str, wanted: str, who: str) -> Verdict:
    """A name that alerts and pictures do not ask for."""
    return broken(
        f"the job {job!r} is none that rules and dashboards select ({wanted})",
        f"call {who} something with celery, or change the selectors in deploy/ and give the doctor "
        "yours by --jobs",
    )


def missing(targets: Sequence[Target], others: Sequence[Target], page_url: str) -> Verdict:
    """Prometheus has not the mark: why."""
    if not targets:
        there = ", ".join(sorted({place_of(one.url) for one in others})[:5]) or "none"
        return broken(
            f"no target of Prometheus is {place_of(page_url)}; it scrapes {there}",
            "add the collector's address to a scrape job with honor_labels: true, as "
            "deploy/prometheus/prometheus.yml has it",
        )
    down = next((one for one in targets if one.health == "down"), None)
    if down is not None:
        what, todo = _ERRORS[next((said for said in _ERRORS if said in down.error), "")]
        what = f"Prometheus cannot scrape {place_of(down.url)}, job {down.job!r}: {what}"
        return broken(what, f"{todo}; the rest says Prometheus' page of targets")
    return broken(
        f"Prometheus scrapes {place_of(targets[0].url)}, job {targets[0].job!r}, and keeps nothing "
        "of the mark",
        "look into metric_relabel_configs of that job, which can drop metrics, and compare the "
        "page with the one that the doctor reads",
    )


_ERRORS = {
    "connection refused": ("nothing listens there", "let the collector listen where it looks"),
    "deadline exceeded": ("it does not answer in time", "see scrape_timeout, and networks between"),
    "no such host": ("the name of the host is not known", "correct the target"),
    "status 401": ("it asks who is there", "give the scrape job basic_auth or authorization"),
    "status 403": ("it does not let Prometheus in", "see --allow-from of the collector"),
    "status 404": ("there is no such page", "set metrics_path to /metrics"),
    "x509": ("its certificate is not trusted", "set tls_config::ca_file in the scrape job"),
    "HTTP response to HTTPS": ("it does not speak TLS", "set scheme: http in the scrape job"),
    "HTTPS server": ("it speaks TLS", "set scheme: https in the scrape job"),
    "status 400": ("it may speak TLS", "set scheme: https in the scrape job"),
    "malformed HTTP": ("it speaks no HTTP, or TLS", "correct the port, or set scheme: https"),
    "sample_limit": ("there are more samples than sample_limit", "raise it in the scrape job"),
    "": ("that failed", "see what it says"),
}
"""By what Prometheus says of a target that is down."""


def _parts(url: str) -> tuple[str, int | None, str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    host = {"localhost": "127.0.0.1"}.get(parts.hostname or "", parts.hostname or "")
    return (host, port, parts.path or "/metrics")


def _target(one: Any) -> Target:  # noqa: ANN401 - JSON
    return Target(
        one["scrapeUrl"],
        one.get("scrapePool", ""),
        one["health"],
        one.get("lastError", ""),
        _seconds(one.get("scrapeInterval", "1m")),
        _seconds(one.get("scrapeTimeout", "10s")),
        _moment(one.get("lastScrape", "")),
    )


def _moment(text: str) -> float:
    """RFC 3339 with nanoseconds, of which Python 3.10 takes none; Go's zero time is year 1."""
    try:
        whole = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
        return max(0.0, datetime.fromisoformat(whole).timestamp())
    except (ValueError, OverflowError):
        return 0.0


def _sample(one: Any) -> Sample:  # noqa: ANN401 - JSON
    return Sample(dict(one["metric"]), float(one["value"][1]))


def _seconds(duration: str) -> float:
    """Prometheus' way of writing it, as 1m30s."""
    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdw])", duration))
