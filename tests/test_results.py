"""What is made from RESULTS.md is what it says: a picture, and the arithmetic of docs/scale.md."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks.arithmetic import PAGE, calculated, page
from benchmarks.picture import CHARTS, PICTURE, drawn
from benchmarks.results import RESULTS, kept, rows

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_drawn_from_the_results() -> None:
    """Nobody painted it: `make bench ARGS=--write` draws it anew."""
    assert PICTURE.read_text() == drawn(RESULTS.read_text())


def test_it_leaves_nothing_out() -> None:
    """Every row of both tables has a bar and its ratio, also where the ratio is against us."""
    picture = ET.fromstring(PICTURE.read_text())
    texts = [text.text or "" for text in picture.iter(f"{SVG}text")]
    for suite in CHARTS:
        found = [row for row in rows(kept(RESULTS.read_text())[suite]) if "–" not in row]
        assert found
        for name, *_ in found:
            assert name in texts
    ratios = [row[-1] for row in rows(kept(RESULTS.read_text())["collector"])]
    assert [text for text in texts if text.endswith(" ×")] == [f"{ratio} ×" for ratio in ratios]


def test_the_names_have_room() -> None:
    """None is cut off at the left: in Chromium 46 letters took 331 px, and there are 350."""
    picture = ET.fromstring(PICTURE.read_text())
    names = [each.text or "" for each in picture.iter(f"{SVG}text") if each.get("class") == "name"]
    assert names
    assert [name for name in names if len(name) > 48] == []


def test_it_can_be_read_aloud() -> None:
    """A title, and a description with every number, for who does not see it."""
    picture = ET.fromstring(PICTURE.read_text())
    assert picture.get("role") == "img"
    described = {picture.findtext(f"{SVG}{name}") for name in ("title", "desc")}
    assert len(described) == 2
    told = picture.findtext(f"{SVG}desc") or ""
    for suite in CHARTS:
        for name, *_ in rows(kept(RESULTS.read_text())[suite]):
            assert f"{name}: " in told


def test_the_page_is_calculated_from_the_results() -> None:
    """Nobody typed its figures: `make bench ARGS=--write` calculates them anew."""
    results = RESULTS.read_text()
    assert calculated(results) in PAGE.read_text()
    assert page(PAGE.read_text(), results) == PAGE.read_text()
