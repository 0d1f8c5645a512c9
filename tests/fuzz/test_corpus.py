"""Every input that is kept, and some mutations of each, hold what their target promises."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.fuzz.mutate import mutations
from tests.fuzz.run import CORPUS, check, corpus
from tests.fuzz.targets import TARGETS

MUTATIONS = {"http": 150, "otlp": 150}
"""Of targets that are slow; counted, so that every run is the same."""
USUALLY = 300
INPUTS = [(target, name) for target in TARGETS for name in corpus(target)]


@pytest.mark.parametrize(("target", "name"), INPUTS)
def test_an_input_of_the_corpus_holds(target: str, name: str) -> None:
    """The seeds, and whatever failed once."""
    check(TARGETS[target], corpus(target)[name])


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
