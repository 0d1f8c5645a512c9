"""The `otlp_http` exporter's sink: a queue, and a thread that posts what waits in it.

Requests go one after the other, in the order of time. What may be tried again is, with longer and
longer pauses or when the receiver says; what may not, or not any longer, is given up and counted,
and its series are told again with the next push. Redirections are not followed. What a receiver
answers is not logged: it may repeat what it was sent.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import requests
import urllib3
import zstandard
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from collector.server.push.counts import Counts
from collector.server.room import report

if TYPE_CHECKING:
    from collector.outlets.otlp import Batch
    from collector.push_settings import OtlpHttpExporter
    from collector.self_metrics import Sample
    from collector.server.push.spool import Spool, Waiting

log = logging.getLogger(__name__)

RETRYABLE = frozenset({429, 502, 503, 504})
THROTTLED = frozenset({429, 503})
"""Where `Retry-After` counts."""
RETRY_AFTER_SECONDS_MAX = 3600.0
"""A receiver that says more is asked again then."""
ANSWER_BYTES_MAX = 64 * 1024
LOOK_SECONDS = 1.0
"""Between two looks whether there is something to do."""
PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Failed(Exception):  # noqa: N818 - what became of a try
    """A request was not taken."""

    def __init__(self, why: str, *, retryable: bool, after_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.retryable = retryable
        self.after_seconds = after_seconds


class OtlpHttpSink:
    """Posts requests."""

    def __init__(self, name: str, settings: OtlpHttpExporter, spool: Spool) -> None:
        self._name = name
        self._settings = settings
        self._spool = spool
        self._counts = Counts(name)
        self._lost: float | None = None
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._session = _session(settings)
        tls = settings.tls
        self._verify = False if tls.insecure_skip_verify else tls.ca_file or True
        self._thread = threading.Thread(target=self._work, name=f"exporter {name}", daemon=True)

    def open(self) -> None:
        """Find what waits on the disk, and begin; raises OSError."""
        self._spool.open()
        self._thread.start()

    def put(self, batch: Batch, since: float) -> None:
        """Let a request wait for its turn."""
        try:
            oldest = self._spool.put(self._packed(batch), batch.points, since)
        except OSError as error:
            log.warning("exporters::%s: cannot queue: %s", self._name, error.strerror)
            self._give_up(since)
            self._counts.not_queued += batch.points
            return
        if oldest:
            self._give_up(oldest.since)
            self._counts.not_queued += oldest.points

    def _packed(self, batch: Batch) -> bytes:
        if self._settings.encoding == "json":
            fields = MessageToDict(batch.message, use_integers_for_enums=True)
            body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        else:
            body = batch.message.SerializeToString()
        if self._settings.compression == "zstd":
            return zstandard.compress(body)
        if self._settings.compression == "gzip":
            packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
            return packer.compress(body) + packer.flush()
        if self._settings.compression:  # what HTTP calls deflate has zlib's head as well
            return zlib.compress(body)
        return body

    def _give_up(self, since: float) -> None:
        self._lost = since if self._lost is None else min(self._lost, since)

    def lost_since(self) -> float | None:
        """Return from when on what was given up has to be told again; once."""
        lost, self._lost = self._lost, None
        return lost

    def _work(self) -> None:
        while not (self._closing.is_set() and (not self._spool or self._is_late())):
            waiting = self._spool.first(LOOK_SECONDS)
            if waiting:
                try:
                    self._deliver(waiting)
                except Exception as fault:  # noqa: BLE001 - whatever it is, the others are sent
                    report(fault)
                    self._counts.failed += waiting.points
                    self._give_up(waiting.since)
                    self._spool.done(waiting)

    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def _deliver(self, waiting: Waiting) -> None:
        """Try until a request is taken, given up, pushed out of the queue or out of time."""
        retry = self._settings.retry
        pause, began = retry.initial_seconds, time.monotonic()
        while self._spool.holds(waiting):
            try:
                self._post(waiting)
            except Failed as failed:
                spread = random.uniform(-1, 1) * retry.randomization  # noqa: S311 - no secret
                wait = max(pause * (1 + spread), failed.after_seconds)
                elapsed = time.monotonic() + wait - began
                is_over = 0 < retry.elapsed_seconds_max < elapsed
                if not failed.retryable or not retry.enabled or is_over:
                    log.warning("exporters::%s: given up: %s", self._name, failed)
                    self._counts.failed += waiting.points
                    self._give_up(waiting.since)
                    break
                log.info("exporters::%s: tried again in %.1f s: %s", self._name, wait, failed)
                self._closing.wait(min(wait, self._deadline - time.monotonic()))
                if self._closing.is_set():
                    self._sleep_until_late(wait)
                    if self._is_late():
                        return
                pause = min(pause * retry.multiplier, retry.interval_seconds_max)
            else:
                self._counts.sent += waiting.points
                break
        self._spool.done(waiting)

    def _sleep_until_late(self, seconds: float) -> None:
        left = self._deadline - time.monotonic()
        time.sleep(max(0.0, min(seconds, left)))

    def _post(self, waiting: Waiting) -> None:
        settings = self._settings
        try:
            answer = self._session.post(
                settings.url,
                data=waiting.body,
                timeout=settings.timeout_seconds,
                # said each time: on the session alone, REQUESTS_CA_BUNDLE would go before it
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                content = answer.raw.read(ANSWER_BYTES_MAX, decode_content=True)
        except requests.RequestException as error:
            raise Failed(type(error).__name__, retryable=True) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise Failed(f"{type(error).__name__} while reading", retryable=True) from None
        status = answer.status_code
        if not 200 <= status < 300:
            after = _seconds(answer.headers.get("Retry-After", "")) if status in THROTTLED else 0.0
            raise Failed(f"HTTP {status}", retryable=status in RETRYABLE, after_seconds=after)
        self._counts.rejected += _rejected(content, answer.headers.get("Content-Type", ""))

    def close(self, seconds: float) -> None:
        """Send what waits for so long, and end; what is on a disk stays there."""
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._spool.wake()
        self._thread.join(seconds + LOOK_SECONDS)
        self._session.close()
        if self._spool:
            log.warning("exporters::%s: %d requests were not sent", self._name, len(self._spool))

    def self_metrics(self) -> list[Sample]:
        """Return its own numbers."""
        queue = self._counts.queue(len(self._spool), self._spool.capacity)
        return [*self._counts.samples(), *queue]


def _session(settings: OtlpHttpExporter) -> requests.Session:
    session = requests.Session()
    session.headers.clear()
    session.headers["User-Agent"] = "portless-collector"
    session.headers["Content-Type"] = JSON if settings.encoding == "json" else PROTOBUF
    if settings.compression:
        session.headers["Content-Encoding"] = settings.compression
    session.headers.update(dict(settings.headers))
    session.auth = lambda request: request  # no ~/.netrc
    if settings.tls.insecure_skip_verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the plan has warned
    if settings.tls.cert_file:
        session.cert = settings.tls.cert_file, settings.tls.key_file
    return session


def _seconds(text: str) -> float:
    """Read `Retry-After`: seconds, or a date."""
    if text.isdecimal():
        return min(float(text), RETRY_AFTER_SECONDS_MAX)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), RETRY_AFTER_SECONDS_MAX)


def _rejected(content: bytes, content_type: str) -> int:
    """Return how many points a receiver says it did not take; what makes no sense says none."""
    try:
        if content_type.startswith(JSON):
            told = json.loads(content or b"{}").get("partialSuccess") or {}
            return int(told.get("rejectedDataPoints", 0))
        answer = ExportMetricsServiceResponse.FromString(content)
    except (DecodeError, ValueError, AttributeError, TypeError):
        return 0
    return answer.partial_success.rejected_data_points
