"""The text of a configuration file, and of a statement or condition in it."""

from __future__ import annotations

import json
from contextlib import suppress

from collector import leaks, plan
from collector.errors import ConfigError, RuleConflict, Untranslatable
from collector.model import Kind, Stream
from collector.processors import filter as filter_
from collector.processors import transform
from tests.collector.configured import processor
from tests.collector.streams import stream

ENVIRON = {"TOKEN": "acme-secret", "PORT": "4318", "LIST": "[a, b]"}
STREAMS = (
    stream("celery.task.started", "task_name=a tenant_id=acme", resource="service.name=x"),
    stream("celery.task.runtime", "queue=q", kind=Kind.HISTOGRAM),
    stream("queue.depth", "queue=q queue.b=1", kind=Kind.GAUGE),
)


def config(data: bytes) -> None:
    """It becomes a plan whose leaks can be told, or every mistake in it has its line."""
    text = data.decode(errors="replace")
    try:
        made = plan.load("config.yaml", text, ENVIRON)
    except ConfigError as refusal:
        _judge(refusal, text)
        return
    assert made.pipelines
    leaks.find(made, "config.yaml", text, ENVIRON)
    for pipeline in made.pipelines:
        _apply(pipeline.rewrite)


def _judge(refusal: ConfigError, text: str) -> None:
    """Every problem is at a line of the file, or at none; no secret is repeated."""
    lines = text.count("\n") + text.count("\r") + 2
    assert refusal.problems
    assert all(0 <= problem.line <= lines for problem in refusal.problems)
    assert ENVIRON["TOKEN"] in text or ENVIRON["TOKEN"] not in str(refusal)


def ottl(data: bytes) -> None:
    """A statement becomes a rule on streams or is refused at its line, and so does a condition."""
    text = json.dumps(data.decode(errors="replace").replace("$", "$$"))
    for read, settings in (
        (transform.read, f"metric_statements:\n  - context: datapoint\n    statements: [{text}]\n"),
        (transform.read, f"metric_statements: [{text}]\n"),
        (filter_.read, f"metrics:\n  datapoint: [{text}]\n"),
    ):
        with suppress(ConfigError):
            rule = processor(read, settings)
            assert rule.rewrite is not None
            _apply(rule.rewrite)


def _apply(rewrite: plan.Rewrite) -> None:
    for one in STREAMS:
        with suppress(RuleConflict, Untranslatable):
            left = rewrite(one)
            assert left is None or isinstance(left, Stream)
            assert left is None or list(left.attributes) == sorted(left.attributes)
            assert left is None or hash(left) is not None
