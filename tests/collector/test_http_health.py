"""The health check answers as the real collector's extension does."""

from __future__ import annotations

import json

import pytest

from collector.server.health_http import HealthHttp, go_duration, rfc3339
from collector.server.messages import PLAIN, Request, Response
from collector.settings import HealthCheck

SINCE = 1_795_439_500.25


def ask(
    settings: HealthCheck, path: str = "/", *, available: bool = True, method: str = "GET"
) -> Response:
    """Ask a collector that is available for a minute and a half, or not."""
    handler = HealthHttp(settings, lambda: SINCE + 90.5)
    handler.available_since = SINCE if available else None
    return handler.answer(Request(method, path, {}, b""))


@pytest.mark.parametrize("path", ["/", "/x/y"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_by_default_every_path_tells_since_when_it_is_available(path: str, method: str) -> None:
    """In the extension's JSON."""
    response = ask(HealthCheck(), path, method=method)
    assert (response.status, response.content_type) == (200, "application/json")
    assert json.loads(response.body) == {
        "status": "Server available",
        "upSince": "2026-11-23T13:11:40.25Z",
        "uptime": "1m30.5s",
    }


def test_it_says_so_when_it_is_not_available() -> None:
    """With the status that probes look at."""
    response = ask(HealthCheck(), available=False)
    assert response.status == 503
    assert json.loads(response.body)["status"] == "Server not available"


def test_a_path_of_its_own_is_the_only_one() -> None:
    """Others are not found."""
    settings = HealthCheck(path="/healthz")
    assert ask(settings, "/healthz").status == 200
    assert ask(settings, "/healthz/").status == 404
    assert ask(settings, "/").status == 404


def test_bodies_of_its_own() -> None:
    """As they are written in the configuration, also empty ones."""
    settings = HealthCheck(healthy_body="OK", unhealthy_body="")
    assert ask(settings) == Response(200, PLAIN, b"OK")
    assert ask(settings, available=False) == Response(503, PLAIN, b"")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "0s"),
        (0.112, "112ms"),
        (1, "1s"),
        (59.9996, "1m0s"),
        (138.011, "2m18.011s"),
        (3600.25, "1h0m0.25s"),
        (90_000, "25h0m0s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    """Without the fractions of a millisecond."""
    assert go_duration(seconds) == text


def test_times_are_written_as_go_does() -> None:
    """No digits that say nothing."""
    assert rfc3339(1_795_439_500.0) == "2026-11-23T13:11:40Z"
    assert rfc3339(1_795_439_500.5) == "2026-11-23T13:11:40.5Z"
