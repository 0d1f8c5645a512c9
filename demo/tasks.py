"""The shop's tasks: they succeed, fail, retry, give up, are killed, and run out of time.

Not a line in here is about the telemetry of tasks. The two metrics are the shop's own, made with
OpenTelemetry's API, and carry the tenant as any author would have it. `Recorded` writes down what
each execution did, so that the account at the end has a second opinion.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from celery.exceptions import Ignore, Reject
from opentelemetry import metrics

from demo import books
from demo.app import app
from demo.shop import DELAY, TOKENS

if TYPE_CHECKING:
    from celery import Task

meter = metrics.get_meter("shop")
tokens = meter.create_counter(TOKENS, "{token}", "Tokens that language models wrote.")
delay = meter.create_histogram(
    DELAY,
    "s",
    "Time from a click to the purchase that followed.",
    explicit_bucket_boundaries_advisory=[60, 600, 3600, 21600, 86400],
)

task = partial(app.task, base=books.Recorded)


@task(name="attribution.score")
def score(tenant_id: str, click: int) -> float:
    """Say how likely a click leads to a purchase; a few belong to no campaign."""
    time.sleep(0.01)
    if click % 12 == 5:
        raise LookupError(f"click {click} of {tenant_id} belongs to no campaign")
    return click % 100 / 100


@task(name="attribution.sale")
def sale(tenant_id: str, click: int) -> None:
    """Attribute a purchase to the click before it."""
    seconds = click * 977 % 100_000
    time.sleep(0.02)
    books.amount(DELAY, tenant_id, seconds)
    delay.record(seconds, {"tenant_id": tenant_id})


@task(name="attribution.live")
def live() -> None:
    """Recompute what is shown now; whoever asked does not want it later."""


@task(name="llm.summarize", bind=True, max_retries=1)
def summarize(self: Task[Any, Any], tenant_id: str, document: int) -> None:
    """Have a model write; the provider is busy now and then, and sometimes still is."""
    time.sleep(0.1)
    if document % 4 == 1 and (self.request.retries == 0 or document % 8 == 1):
        raise self.retry(exc=TimeoutError("the model is busy"), countdown=0.3)
    written = 40 + document * 31 % 200
    books.amount(TOKENS, tenant_id, written)
    tokens.add(written, {"tenant_id": tenant_id})


@task(name="llm.embed")
def embed(tenant_id: str, document: int) -> list[float]:
    """Turn a document into numbers."""
    time.sleep(0.05)
    return [document % 7 / 7, len(tenant_id) / 10]


@task(name="housekeeping.cart")
def cart(number: int) -> None:
    """Empty a cart that nobody came back to, unless somebody did."""
    time.sleep(0.005)
    if number % 5 == 2:
        raise Ignore


@task(name="housekeeping.file")
def file(number: int) -> None:
    """Read a price list, and throw a broken one away."""
    if number % 3 == 1:
        raise Reject("not a price list")


@task(name="maintenance.clean")
def clean() -> None:
    """Tidy up."""
    time.sleep(0.02)


@task(name="maintenance.leak")
def leak() -> None:
    """Take more memory than there is, and be killed for it."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(name="maintenance.hang", time_limit=1)
def hang() -> None:
    """Wait for what never comes."""
    time.sleep(3600)
