"""The rules for Prometheus: promtool finds nothing against them, and time passes as it should."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry import catalog
from tests.support.prometheus import RULES, needs_promtool
from tests.support.promql import FORBIDDEN, known_names, labels_in, names_in

ROOT = Path(__file__).parents[1]
RUNBOOKS = ROOT / "docs" / "runbooks"
UNITS = sorted((ROOT / "tests" / "prometheus").glob("*.yml"))
FILES = sorted(RULES.glob("*.yml"))
COMPAT = sorted((RULES.parent / "compat").glob("*.yml"))
THEIRS = ROOT / "tests" / "prometheus" / "others" / "alerts.yml"


def rules_of(path: Path) -> list[dict[str, Any]]:
    """The rules in a file, of all groups."""
    groups = yaml.safe_load(path.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


OURS = [rule for path in FILES for rule in rules_of(path)]
COPIES = [rule for path in COMPAT for rule in rules_of(path)]
ALERTS = {rule["alert"]: rule for rule in OURS if "alert" in rule}
RECORDS = {rule["record"] for rule in OURS if "record" in rule}


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    """All of ours, and those of others that the tests here need."""
    done = _promtool("check", "rules", *map(str, [*FILES, *COMPAT, THEIRS]))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_rules_do_what_they_say(path: Path) -> None:
    """Each file tells series over time, and what fires, clears and is recorded at which moment."""
    done = _promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_silent_and_firing(name: str) -> None:
    """No alert is only believed to fire, or to be silent."""
    units = [yaml.safe_load(path.read_text()) for path in UNITS]
    seen = [
        bool(check["exp_alerts"])
        for unit in units
        for test in unit["tests"]
        for check in test.get("alert_rule_test", ())
        if check["alertname"] == name
    ]
    assert set(seen) == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do(name: str) -> None:
    """A summary, a severity that is known, and a page that says what it means, shows and wants."""
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    assert "## What to do" in page


def test_every_runbook_has_an_alert() -> None:
    """None is left over from an alert that was renamed."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(ALERTS)


def test_the_reference_has_every_rule() -> None:
    """docs/alerts.md lists alerts with their page and severity, and what is recorded."""
    text = (ROOT / "docs" / "alerts.md").read_text()
    for name, rule in ALERTS.items():
        assert f"| [{name}](runbooks/{name}.md) | {rule['labels']['severity']} |" in text
    assert not [name for name in RECORDS if f"| `{name}" not in text]


@pytest.mark.parametrize(
    "rule", OURS + COPIES, ids=lambda rule: rule.get("alert") or rule["record"]
)
def test_a_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """Each metric is known, each label is one that metrics or a scrape can have."""
    expression = rule["expr"]
    assert names_in(expression) <= known_names() | RECORDS
    allowed = {*catalog.ATTRIBUTES, "job", "instance", "cluster", "namespace", "__name__", "le"}
    assert labels_in(expression) <= allowed
    assert not [label for label in FORBIDDEN if label in str(rule)]


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
