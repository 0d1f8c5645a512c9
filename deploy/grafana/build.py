"""Writes dashboards/celery.json: `python -m deploy.grafana.build`.

In: the panels. Out: a dashboard as Grafana 10 and later import or provision it. It knows Grafana's
JSON, and no metric but the one whose labels fill the choices.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.grafana.panels import ROWS

if TYPE_CHECKING:
    from deploy.grafana.panels import Panel

TARGET = Path(__file__).parent / "dashboards" / "celery.json"
SCHEMA_VERSION = 39
"""Grafana 10.4's; later ones migrate it when they load it."""
COLUMNS = 24
"""Of Grafana's grid; a unit of height is 30 pixels."""
NUMBER_HEIGHT = 4
GRAPH_HEIGHT = 8
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


def build() -> Json:
    """Make the dashboard."""
    return {
        "uid": "portless-celery",
        "title": "Celery",
        "description": "Tasks and workers, as workers push them and a collector exposes them.",
        "tags": ["celery", "portless"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all graphs
        "refresh": "15s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {
            "list": [
                {
                    "type": "datasource",
                    "name": "datasource",
                    "label": "Data source",
                    "query": "prometheus",
                },
                _choice("task", "task_name"),
                _choice("queue", "queue_name"),
            ]
        },
        "panels": _laid_out(),
    }


def text() -> str:
    """Write the dashboard as the file has it."""
    return json.dumps(build(), indent=2) + "\n"


def _choice(name: str, label: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": {
            "query": f"label_values(celery_task_received_total, {label})",
            "refId": "choice",
        },
        "refresh": 2,  # when the time range changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _laid_out() -> list[Json]:
    """Put rows below each other, and their panels side by side."""
    made: list[Json] = []
    y = 0
    for row in ROWS:
        headline = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        made.append(headline | {"gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})
        y += 1
        width = COLUMNS // len(row.panels)
        height = NUMBER_HEIGHT if row.numbers else GRAPH_HEIGHT
        for place, panel in enumerate(row.panels):
            look = _number() if row.numbers else _lines()
            at = {"x": place * width, "y": y, "w": width, "h": height}
            made.append(_panel(panel, look) | {"gridPos": at})
        y += height
    return [{"id": number} | panel for number, panel in enumerate(made, start=1)]


def _panel(panel: Panel, look: Json) -> Json:
    queries = [
        {
            "refId": chr(ord("A") + place),
            "datasource": DATASOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
        }
        for place, query in enumerate(panel.queries)
    ]
    return {
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": queries,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
    } | look


def _lines() -> Json:
    return {
        "type": "timeseries",
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _number() -> Json:
    return {
        "type": "stat",
        "options": {
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }


if __name__ == "__main__":
    TARGET.write_text(text())
