"""How the collector is: what it is asked, what it turns away, what it holds, how it is scraped."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.panels import (
    COLLECTORS,
    NUMBER,
    POINTS,
    SECONDS,
    SHARE,
    grown,
    number,
    of,
    panel,
    rate,
)

SCRAPES = 'job=~".*celery.*|collector"'
MATCHED = rate("portless_shapes_matched", COLLECTORS)
LEARNT = rate("portless_shapes_learnt", COLLECTORS)

NOW = panels.Row(
    "Now (what begins with portless_ is the embedded collector's; the other one does not count it)",
    (
        number(
            "Accepted",
            POINTS,
            "Data points.",
            rate("otelcol_receiver_accepted_metric_points", COLLECTORS),
        ),
        number(
            "Refused",
            POINTS,
            "Data points that could not be placed.",
            rate("otelcol_receiver_refused_metric_points", COLLECTORS),
            bad=True,
        ),
        number(
            "Scrapes that fail",
            NUMBER,
            "Of Prometheus, at the collector's two pages.",
            f"count(up{{{SCRAPES}}} == 0) or vector(0)",
            bad=True,
        ),
        number(
            "Connections",
            NUMBER,
            "Open ones, over HTTP.",
            of("portless_server_connections", COLLECTORS),
        ),
    ),
)

ASKED = panels.Row(
    "What it is asked",
    (
        panel(
            "Points by transport",
            POINTS,
            "Data points that were accepted.",
            (
                "{{transport}}",
                rate("otelcol_receiver_accepted_metric_points", COLLECTORS, "transport"),
            ),
        ),
        panel(
            "Requests",
            "reqps",
            "Malformed are no OTLP; pressed were sent away while memory was short, and come again.",
            (
                "{{transport}}: {{outcome}}",
                rate("portless_requests", COLLECTORS, "transport, outcome"),
            ),
        ),
        panel(
            "Turned away by a limit",
            "suffix: times",
            "What a limit ended: too slow, too long, too many, not shown who it is.",
            (
                "{{server}}: {{limit}}",
                grown("portless_server_limited", COLLECTORS, "server, limit"),
            ),
        ),
        panel(
            "Requests coming in",
            NUMBER,
            "Connections that are open over HTTP, requests under way over gRPC.",
            ("{{server}}", of("portless_server_connections", COLLECTORS, "server")),
            ("{{server}}", of("portless_server_requests", COLLECTORS, "server")),
        ),
    ),
)

HOLDS = panels.Row(
    "What it holds",
    (
        panel(
            "Streams, series and readings",
            NUMBER,
            "Each grows with new labels or new workers and falls when they are silent for long.",
            ("streams", of("portless_streams", COLLECTORS)),
            ("series", of("portless_series", COLLECTORS)),
            ("readings", of("portless_rows", COLLECTORS)),
            ("streams remembered", of("portless_remembered_streams", COLLECTORS)),
        ),
        panel(
            "Forgotten",
            NUMBER,
            "Silent streams that there was no room for, and series that went with their last one.",
            ("streams", grown("portless_forgotten_streams", COLLECTORS)),
            ("series", grown("portless_forgotten_series", COLLECTORS)),
        ),
        panel(
            "Metrics read by a learnt shape",
            SHARE,
            "The quick way. It falls while workers start, and should come back.",
            ("learnt before", f"{MATCHED} / ({MATCHED} + {LEARNT})"),
        ),
        panel(
            "Learnt shapes",
            NUMBER,
            "What it knows of requests to come.",
            ("shapes", of("portless_shapes", COLLECTORS)),
        ),
    ),
)

SCRAPED = panels.Row(
    "How it is scraped",
    (
        panel(
            "Scrape up",
            NUMBER,
            "Prometheus reaches the page, or not.",
            ("{{job}} at {{instance}}", of("up", SCRAPES, "job, instance", "min")),
        ),
        panel(
            "Scrape duration",
            SECONDS,
            "How long a page takes to come.",
            ("{{job}}", of("scrape_duration_seconds", SCRAPES, "job", "max")),
        ),
        panel(
            "Samples a scrape",
            "suffix: samples",
            "What Prometheus has to store each time.",
            ("{{job}}", of("scrape_samples_scraped", SCRAPES, "job")),
        ),
    ),
)

BOARD = panels.Board(
    "collector",
    "Celery / Collector",
    "What the collector is asked, what it turns away, what it holds, how it is scraped.",
    (panels.CLUSTER, panels.COLLECTOR),
    (NOW, ASKED, HOLDS, SCRAPED),
)
