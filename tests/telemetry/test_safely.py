"""What goes wrong in a hook stays there: nobody else hears of it but the counter and the log."""

from __future__ import annotations

import logging

import pytest

from telemetry.tasks.facts import Fact, HookFailed
from telemetry.tasks.safely import Safely


def test_an_error_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    """Each is counted, the first of a hook is logged by its place, and what it says is not told."""
    counted: list[Fact] = []
    safely = Safely(counted.append)

    def hook(tenant: str) -> None:
        raise ValueError(tenant)

    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            safely("on_success", hook, "acme")
        safely("on_failure", hook, "acme")
    assert counted == [HookFailed("on_success")] * 3 + [HookFailed("on_failure")]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "acme" not in caplog.text


def test_what_ends_a_process_is_no_error_of_ours() -> None:
    """A worker that is told to stop in the middle of a hook stops."""
    with pytest.raises(SystemExit):
        Safely(lambda _: None)("on_accepted", lambda: (_ for _ in ()).throw(SystemExit))
