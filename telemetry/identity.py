"""Who a process is: its role and place -> the resource attributes that name it.

Comes in: the environment, and a node name, a pool slot, a host and process id, or a broker's name.
Goes out: the attributes `service.name` and `service.instance.id`. All else of the resource is the
SDK's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_NAME = "celery"
"""The default `service.name`: dashboards of this field select the job by that word."""


def worker(environ: Mapping[str, str], node_name: str) -> dict[str, str]:
    """A worker's main process: its node name, the same after every restart."""
    return _attributes(environ, _base(environ) or node_name)


def slot(environ: Mapping[str, str], node_name: str, index: int) -> dict[str, str]:
    """A pool process: the slot it fills, so that a recycled process continues its series."""
    return _attributes(environ, f"{_base(environ) or node_name}/{index}")


def producer(environ: Mapping[str, str], host: str, pid: int) -> dict[str, str]:
    """A process that only publishes, such as one of a web server's: its host and process id.

    Such processes have no slot of their own, and two that live at once must not share a name, so
    the name changes with a restart; a collector sums over instances and forgets those that ended.
    """
    return _attributes(environ, f"{_base(environ) or host}/producer-{pid}")


def beat(environ: Mapping[str, str], place: str) -> dict[str, str]:
    """A beat process: where it runs, a host or the worker that it is embedded in.

    The same after every restart; two on one host want a `service.instance.id` each.
    """
    return _attributes(environ, f"{_base(environ) or place}/beat")


def observer(environ: Mapping[str, str], host: str, pid: int) -> dict[str, str]:
    """A process that only looks at a broker, for what it says about itself."""
    return _attributes(environ, f"{_base(environ) or host}/observer-{pid}")


def doctor(environ: Mapping[str, str], host: str) -> dict[str, str]:
    """A doctor that pushes a mark, the same with every walk."""
    return _attributes(environ, f"{_base(environ) or host}/doctor")


def broker(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """A broker, whoever speaks for it: all that is said here is the same in each of them.

    Nothing else may be in the resource with it. What differs from host to host would make another
    stream of the same series, and a collector that takes it away would add the two up.
    """
    named = _attributes(environ, f"broker/{name}")
    namespace = _given(environ).get("service.namespace")
    return named | ({"service.namespace": namespace} if namespace else {})


def _base(environ: Mapping[str, str]) -> str | None:
    return _given(environ).get("service.instance.id")


def _attributes(environ: Mapping[str, str], instance: str) -> dict[str, str]:
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or _given(environ).get("service.name")
    return {"service.name": name or SERVICE_NAME, "service.instance.id": instance}


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """OTEL_RESOURCE_ATTRIBUTES: `key=value` pairs with commas between, values percent-encoded."""
    pairs = (item.partition("=") for item in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs if value.strip()}
