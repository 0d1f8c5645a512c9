"""The manifests fit the schemas of Kubernetes and of the operators, and shut what can be shut."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, run, tool

VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest that is promised, and the newest whose schemas are packed."""
CRDS = {
    "ScaledObject": ("github.com/kedacore/keda/v2@v2.20.2", "config/crd/bases", "keda.sh_"),
    "PodMonitor": (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd",
        "monitoring.coreos.com_",
    ),
}
"""By kind: the Go module that has its definition, in which directory, behind which prefix."""


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """What kustomize makes of the directory."""
    built = run(tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes"), **os.environ)
    return [made for made in yaml.safe_load_all(built) if made]


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The specifications of pods by the name of what makes them."""
    makers = [made for made in objects if made["kind"] in {"Deployment", "StatefulSet"}]
    return {made["metadata"]["name"]: made["spec"]["template"]["spec"] for made in makers}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_key(objects: list[dict[str, Any]], version: str) -> None:
    """By the schemas of its API, strictly: a key that does not exist is a mistake."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="see .ci/run")
    checked = [made for made in objects if made["kind"] not in CRDS]
    assert len(checked) == 6
    for made in checked:
        kubernetes.validate(made, version, strict=True)


@pytest.mark.parametrize("kind", CRDS)
def test_operators_know_every_key(objects: list[dict[str, Any]], kind: str) -> None:
    """By the definition that the operator itself installs; structural schemas drop unknown keys."""
    jsonschema = pytest.importorskip("jsonschema", reason="see .ci/run")
    module, directory, prefix = CRDS[kind]
    go = tool("go")
    found = json.loads(run(go, "mod", "download", "-json", module, **os.environ))["Dir"]
    file = Path(found) / directory / f"{prefix}{kind.lower()}s.yaml"
    (version,) = yaml.safe_load(file.read_text())["spec"]["versions"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    (made,) = (made for made in objects if made["kind"] == kind)
    jsonschema.Draft202012Validator(schema).validate(made)


def closed(schema: Any) -> Any:
    """A schema that refuses the keys which the API server would drop without a word."""
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    properties = schema.get("properties")
    if isinstance(properties, dict) and "type" not in properties.get("properties", {}):
        made["properties"] = {key: closed(value) for key, value in properties.items()}
        if properties and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if schema.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def test_nobody_reaches_a_worker(objects: list[dict[str, Any]]) -> None:
    """No port, no Service that selects it, and a policy that lets nothing in."""
    (worker,) = pods(objects)["portless-worker"]["containers"]
    assert "ports" not in worker
    services = [made["spec"]["selector"] for made in objects if made["kind"] == "Service"]
    assert services == [{"app.kubernetes.io/name": "portless-collector"}]
    policies = [made["spec"] for made in objects if made["kind"] == "NetworkPolicy"]
    (policy,) = (p for p in policies if "worker" in str(p["podSelector"]))
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == []


def test_a_worker_is_probed_by_a_command(objects: list[dict[str, Any]]) -> None:
    """A probe over a network would need a port."""
    (worker,) = pods(objects)["portless-worker"]["containers"]
    for probe, question in [("startup", "ready"), ("liveness", "live"), ("readiness", "ready")]:
        assert worker[f"{probe}Probe"]["exec"]["command"] == ["portless", "health", question]


@pytest.mark.parametrize("name", ["portless-worker", "portless-collector"])
def test_no_process_can_become_more_than_it_is(objects: list[dict[str, Any]], name: str) -> None:
    """What Kubernetes calls the restricted standard, and a root file system that is read-only."""
    pod = pods(objects)[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
