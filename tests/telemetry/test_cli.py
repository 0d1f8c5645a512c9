from __future__ import annotations

from click.testing import CliRunner

from telemetry.catalog import METRICS
from telemetry.cli import main


def test_the_catalogue_is_a_table_with_every_metric() -> None:
    """One row each, and every row has every column."""
    result = CliRunner().invoke(main, ["catalog"])
    assert result.exit_code == 0
    rows = result.output.splitlines()
    assert len(rows) == len(METRICS) + 2
    assert {row.count("|") for row in rows} == {7}
    assert all(f"`{metric.name}`" in result.output for metric in METRICS)


def test_the_version_is_told() -> None:
    """For bug reports."""
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("portless, version ")
