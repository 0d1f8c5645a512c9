"""Every input that is kept, and some mutations of each, hold what their target promises."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.conformance.cases import HERE
from tests.fuzz.mutate import mutations
from tests.fuzz.run import CORPUS, check, corpus
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

MUTATIONS = {"config": 150, "http": 150, "journal": 60, "otlp": 100}
"""Of targets that are slow; counted, so that every run is the same."""
USUALLY = 300
MUTATIONS_OF_EXPORTS = 5
EXPORTS = sorted((HERE / "cases").glob("11?-exports-of-*/*.request.pb"))
"""Bodies as they came over the wire from exporters, of the golden cases."""
INPUTS = [(target, name) for target in TARGETS for name in corpus(target)]


@pytest.mark.parametrize(("target", "name"), INPUTS)
def test_an_input_of_the_corpus_holds(target: str, name: str) -> None:
    """The seeds, and whatever failed once."""
    check(TARGETS[target], corpus(target)[name])


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_body_of_an_exporter_is_read_as_decoded(path: Path) -> None:
    """What the SDKs' own exporters sent, and what becomes of it when bytes are changed."""
    body = path.read_bytes()
    TARGETS["otlp"](body)
    for data in islice(mutations([body], path.name), MUTATIONS_OF_EXPORTS):
        check(TARGETS["otlp"], data)


@pytest.mark.parametrize("target", TARGETS)
def test_mutations_of_the_corpus_hold(target: str) -> None:
    """The same ones in every run; `make fuzz` tries others for as long as one likes."""
    seeds = [data for name, data in corpus(target).items() if name.startswith("seed-")]
    for data in islice(mutations(seeds, "corpus"), MUTATIONS.get(target, USUALLY)):
        try:
            check(TARGETS[target], data)
        except Exception as error:
            raise AssertionError(f"{target} on {data!r}") from error


def test_every_corpus_has_a_target() -> None:
    """A directory without a target would never be run."""
    assert sorted(TARGETS) == sorted(path.name for path in CORPUS.iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_is_kept_twice(target: str) -> None:
    """It would be tried twice, and look like more than there is."""
    inputs = list(corpus(target).values())
    assert len(inputs) == len(set(inputs))
