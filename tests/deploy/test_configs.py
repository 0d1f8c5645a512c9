"""Collectors that ask who is there have the rules of otel-collector.yaml, to the last key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.tools import load

CONFIGS = ("deploy/compose/otel-collector.yaml", "deploy/kubernetes/otel-collector.yaml")


def without_logins(value: Any) -> Any:
    """A configuration with all that asks who is there taken out."""
    if isinstance(value, dict):
        return {
            key: without_logins(inner)
            for key, inner in value.items()
            if key not in {"auth", "tls"} and not str(key).startswith("bearertokenauth/")
        }
    if isinstance(value, list):
        kept = [inner for inner in value if not str(inner).startswith("bearertokenauth/")]
        return [without_logins(inner) for inner in kept]
    return value


@pytest.mark.parametrize("path", CONFIGS)
def test_logins_are_all_that_is_different(path: str) -> None:
    """The rules cannot drift: without its logins the file is the shipped one."""
    config = load(path)
    assert config != load("otel-collector.yaml")
    assert without_logins(config) == load("otel-collector.yaml")
