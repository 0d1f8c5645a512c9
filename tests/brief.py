"""A plugin of pytest's for runs of one test file a thousand times: few examples, always the same.

`make mutate` runs the tests that reach a change, for each of thousands of changes; properties then
are tried on some examples instead of hundreds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis

if TYPE_CHECKING:
    import pytest

EXAMPLES_MAX = 15
SETTINGS = "_hypothesis_internal_use_settings"
"""Where Hypothesis keeps what `@settings` said; it has no public way to say less afterwards."""


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Have every property tried on few examples."""
    for item in items:
        told = getattr(item.obj, SETTINGS, None)
        if told is not None:
            few = hypothesis.settings(
                told, max_examples=EXAMPLES_MAX, derandomize=True, database=None
            )
            setattr(item.obj, SETTINGS, few)
