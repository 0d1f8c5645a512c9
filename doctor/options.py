"""The options that both commands have: which Prometheus, which jobs, in what form it is told."""

from __future__ import annotations

import click

prometheus_option = click.option(
    "--prometheus",
    "--prometheus-url",
    "prometheus_url",
    help="The address of Prometheus itself; without it, that hop is not looked at.",
)
jobs_option = click.option(
    "--jobs",
    metavar="REGEX",
    default=".*celery.*",
    show_default=True,
    help="What rules and dashboards select by the label `job`.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for machines."
)
