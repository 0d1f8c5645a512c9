"""`portless doctor`: walk from the app to Prometheus, and name the first hop that is broken.

Comes in: an app, addresses, the OTEL_* environment. Goes out: a table of hops, or JSON, and an exit
code. It knows neither what a hop is nor how it is looked at.
"""

from __future__ import annotations

import os
import sys

import click

from doctor.options import jobs_option, json_option, prometheus_option


@click.command()
@click.option("-A", "--app", "app_name", required=True, help="The Celery app, as for `celery -A`.")
@click.option("--queue", help="Where to send the marked task.  [default: the app's default queue]")
@click.option(
    "--metrics-url",
    default="http://127.0.0.1:9464/metrics",
    show_default=True,
    help="The page of the collector that Prometheus scrapes.",
)
@prometheus_option
@jobs_option
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=1),
    help="For how many seconds to wait for the mark, for the task's count, and for Prometheus' "
    "next scrape.  [default: 30, and as long as Prometheus scrapes]",
)
@json_option
def doctor(  # noqa: PLR0913 - what can be said on the command line
    app_name: str,
    queue: str | None,
    metrics_url: str,
    prometheus_url: str | None,
    jobs: str,
    wait_seconds: float | None,
    *,
    as_json: bool,
) -> None:
    """Say why nothing is seen: the first broken hop from the app to Prometheus, and the fix.

    Sends one task that does nothing, `portless.doctor`, and one marked push. Run it with the
    environment that workers have. Exit code 1 if a hop is broken.
    """
    from doctor.walk import tell  # noqa: PLC0415 - quick help
    from telemetry.doctor.way import Asked, Way  # noqa: PLC0415 - likewise

    asked = Asked(app_name, queue, metrics_url, prometheus_url, jobs, wait_seconds)
    sys.exit(tell(Way(asked, os.environ).steps(), as_json=as_json))
