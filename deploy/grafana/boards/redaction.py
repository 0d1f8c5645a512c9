"""What goes into the redaction and what comes out: streams, series, keys, and the sums."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.boards import shared
from deploy.grafana.panels import (
    COLLECTORS,
    NUMBER,
    POINTS,
    grown,
    number,
    of,
    panel,
    rate,
)

REFUSED = f'{COLLECTORS},reason=~"rule_failed|conflicting_aggregation"'

NOW = panels.Row(
    "Now (what begins with portless_ is the embedded collector's; the other one does not count it)",
    (
        number("Streams in", NUMBER, "With all labels.", of("portless_streams", COLLECTORS)),
        number("Series out", NUMBER, "What is left of them.", of("portless_series", COLLECTORS)),
        number(
            "Streams a series",
            NUMBER,
            "How many streams were merged into one series, on average.",
            f"{of('portless_streams', COLLECTORS)} / {of('portless_series', COLLECTORS)}",
        ),
        number(
            "Streams kept out",
            "suffix: points",
            "Points of streams to which a rule could not be applied, of the last hour. They are "
            "kept out rather than let through.",
            f"sum(increase(portless_refused_points{{{REFUSED}}}[1h]))",
            bad=True,
        ),
    ),
)

KEYS = panels.Row(
    "What is removed",
    (
        panel(
            "Streams and series",
            NUMBER,
            "The distance is what redaction merged.",
            ("streams in", of("portless_streams", COLLECTORS)),
            ("series out", of("portless_series", COLLECTORS)),
        ),
        panel(
            "Keys removed",
            "suffix: streams",
            "Streams that lost an attribute of this key; never a value.",
            ("{{key}}", of("portless_redacted_streams", COLLECTORS, "key")),
        ),
        panel(
            "Lines exposed",
            "suffix: lines",
            "What an exporter shows of the series.",
            ("{{exporter}}", of("portless_exporter_lines", COLLECTORS, "exporter")),
        ),
    ),
)

BALANCE = panels.Row(
    "Do the sums stay right?",
    (
        shared.BALANCE,
        panel(
            "Points in, refused and dropped",
            POINTS,
            "Every point is accepted or refused; dropped are those that a rule wants gone.",
            ("accepted", rate("otelcol_receiver_accepted_metric_points", COLLECTORS)),
            ("refused", rate("otelcol_receiver_refused_metric_points", COLLECTORS)),
            ("dropped by a rule", rate("portless_dropped_points", COLLECTORS)),
        ),
        panel(
            "Refused points by reason",
            "suffix: points",
            "What could not be placed, and why. Should be 0.",
            ("{{reason}}", grown("portless_refused_points", COLLECTORS, "reason")),
        ),
        panel(
            "Series without a place",
            "suffix: series",
            "Series that an exporter cannot show, and why. Should be 0.",
            ("{{reason}}", grown("portless_exporter_refused_series", COLLECTORS, "reason")),
        ),
    ),
)

BOARD = panels.Board(
    "redaction",
    "Celery / Redaction",
    "What goes into the redaction and what comes out, and that the sums stay right.",
    (panels.CLUSTER, panels.JOB, panels.COLLECTOR),
    (NOW, KEYS, BALANCE),
)
