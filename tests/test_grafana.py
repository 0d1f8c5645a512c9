"""The dashboards ask for what there is, say what they show, and are what their script writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from deploy.grafana.boards import BOARDS
from telemetry import catalog
from tests.support.promql import FORBIDDEN, known_names, labels_in, names_in
from tests.test_rules import RECORDS

if TYPE_CHECKING:
    from deploy.grafana.panels import Board

build = pytest.importorskip("deploy.grafana.build", reason="Grafana's library needs Python 3.11")

EXPRESSIONS = sorted(
    {
        query.expression
        for board in BOARDS
        for row in board.rows
        for panel in row.panels
        for query in panel.queries
    }
)
LABELS = {
    *catalog.ATTRIBUTES,
    *("job", "instance", "le", "cluster", "alertname", "alertstate"),
    *("transport", "outcome", "server", "limit", "exporter", "key"),
}
boards = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)


def made(board: Board) -> Any:
    """A dashboard as Grafana reads it."""
    return json.loads(build.text(board))


@boards
def test_a_dashboard_is_what_its_script_writes(board: Board) -> None:
    """Nobody edits the JSON: `python -m deploy.grafana.build` writes it."""
    assert build.path(board).read_text() == build.text(board)


def test_there_are_no_other_dashboards() -> None:
    """None is left over from a board that was renamed."""
    assert set(build.DIRECTORY.iterdir()) == {build.path(board) for board in BOARDS}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_what_there_is(expression: str) -> None:
    """Each metric is in the catalogue, the collector's, a rule's or the demo's; so are labels."""
    assert names_in(expression) <= known_names() | RECORDS
    assert labels_in(expression) <= LABELS


@boards
def test_no_dashboard_asks_for_what_must_not_be_there(board: Board) -> None:
    """Not as a label of a query, a legend or a choice."""
    for panel in made(board)["panels"]:
        for target in panel.get("targets", ()):
            assert not [each for each in FORBIDDEN if each in target["expr"]]
            assert not [each for each in FORBIDDEN if each in target["legendFormat"]]
    assert not [each for each in FORBIDDEN if each in str(made(board)["templating"])]


def test_the_dashboards_ask_for_every_outcome() -> None:
    """A new outcome would not be missing silently."""
    asked = set().union(*map(names_in, EXPRESSIONS))
    counters = {m.exposed for m in catalog.METRICS if m.name.startswith("celery.task.")}
    histograms = {catalog.RUNTIME.exposed, catalog.QUEUE_WAIT.exposed}
    assert counters - histograms <= asked
    assert {f"{name}_bucket" for name in histograms} <= asked


@boards
def test_every_panel_says_what_it_shows(board: Board) -> None:
    """A title, a description, a unit, and a source that can be chosen; a legend for each query."""
    panels = [panel for panel in made(board)["panels"] if panel["type"] != "row"]
    assert len(panels) == sum(len(row.panels) for row in board.rows)
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"]
        assert all(target["legendFormat"] for target in panel["targets"])
    assert len({panel["title"] for panel in panels}) == len(panels)


@boards
def test_what_an_expression_leaves_open_can_be_chosen(board: Board) -> None:
    """Each variable has its list at the top, which also stands for labels that nobody has."""
    text = str([panel.get("targets") for panel in made(board)["panels"]])
    choices = {choice["name"]: choice for choice in made(board)["templating"]["list"]}
    del choices["datasource"]
    assert {name for name in choices if f"${name}" in text} == set(choices)
    assert text.count("$") == sum(
        text.count(f"${name}") for name in (*choices, "__rate_interval", "{datasource}")
    )
    for choice in choices.values():
        assert (choice["includeAll"], choice["allValue"], choice["multi"]) == (True, ".*", True)


@boards
def test_panels_share_the_grid_without_touching(board: Board) -> None:
    """No panel lies on another one, none reaches over the edge."""
    taken: set[tuple[int, int]] = set()
    for panel in made(board)["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < build.COLUMNS
        taken |= cells
