"""Writes dashboards/celery-*.json: `python -m deploy.grafana.build`.

In: the boards. Out: dashboards as Grafana 10.4 and later import or provision them. What things are
called in Grafana's JSON and how panels come to lie side by side, Grafana's own library knows (it
needs Python 3.11); this file knows its builders, and no metric.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmaps
from grafana_foundation_sdk.models import prometheus as queries

from deploy.grafana.boards import BOARDS
from deploy.grafana.panels import Look

if TYPE_CHECKING:
    from deploy.grafana.panels import Board, Choice, Panel

AnyPanel: TypeAlias = timeseries.Panel | stat.Panel | heatmap.Panel

DIRECTORY = Path(__file__).parent / "dashboards"
COLUMNS = 24
"""Of Grafana's grid; a unit of height is 30 pixels."""
HEIGHTS = {Look.NUMBER: 4, Look.LINES: 8, Look.HEATMAP: 8}
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")


def path(board: Board) -> Path:
    """Where a board is kept."""
    return DIRECTORY / f"celery-{board.name}.json"


def text(board: Board) -> str:
    """Write a board as its file has it."""
    made = json.loads(JSONEncoder().encode(build(board)))
    for number, panel in enumerate(made["panels"], start=1):
        panel["id"] = number  # links to a panel name it
    return json.dumps(made, indent=2, sort_keys=True) + "\n"


def build(board: Board) -> models.Dashboard:
    """Make a dashboard of a board."""
    others = (
        dashboard.DashboardLink("Celery")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["portless"])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )
    made = (
        dashboard.Dashboard(board.title)
        .uid(f"portless-{board.name}")
        .description(board.description)
        .tags(["celery", "portless"])
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("15s")
        .time("now-30m", "now")
        .link(others)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for choice in board.choices:
        made.with_variable(_choice(choice))
    for row in board.rows:
        made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made.with_panel(_panel(panel).span(COLUMNS // len(row.panels)))
    return made.build()


def _choice(choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.name.capitalize())
        .datasource(DATASOURCE)
        .query(f"label_values({choice.metric}, {choice.label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")  # also where no series has the label
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _panel(panel: Panel) -> AnyPanel:
    made = _LOOKS[panel.look](panel)
    made.title(panel.title).description(panel.description).datasource(DATASOURCE)
    made.unit(panel.unit).height(HEIGHTS[panel.look])
    for place, query in enumerate(panel.queries):
        target = (
            prometheus.Dataquery()
            .expr(query.expression)
            .legend_format(query.legend)
            .ref_id(chr(ord("A") + place))
            .datasource(DATASOURCE)
        )
        if panel.look is Look.HEATMAP:
            target.format(queries.PromQueryFormat.HEATMAP)
        made.with_target(target)
    return made


def _lines(_: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(commons.LegendDisplayMode.LIST)
    legend.placement(commons.LegendPlacement.BOTTOM).show_legend(show_legend=True)
    tooltip = common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI)
    tooltip.sort(commons.SortOrder.DESCENDING)
    return timeseries.Panel().legend(legend).tooltip(tooltip).axis_soft_min(0)


def _number(panel: Panel) -> stat.Panel:
    steps = [models.Threshold(value=None, color="green")]
    if panel.bad:
        steps.append(models.Threshold(value=1e-9, color="red"))
    thresholds = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
    newest = common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False)
    return (
        stat.Panel()
        .graph_mode(commons.BigValueGraphMode.AREA)
        .reduce_options(newest)
        .thresholds(thresholds)
    )


def _heatmap(panel: Panel) -> heatmap.Panel:
    colour = heatmap.HeatmapColorOptions().mode(heatmaps.HeatmapColorMode.SCHEME)
    return (
        heatmap.Panel()
        .color(colour.scheme("Oranges").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
    )


_LOOKS = {Look.LINES: _lines, Look.NUMBER: _number, Look.HEATMAP: _heatmap}


if __name__ == "__main__":
    for each in BOARDS:
        path(each).write_text(text(each))
