from __future__ import annotations

from telemetry import identity


def test_a_worker_is_its_node_and_a_pool_process_its_slot() -> None:
    """Names that are the same after a restart, and for the successor of a recycled process."""
    worker = identity.worker({}, "celery@host")
    assert worker == {"service.name": "celery", "service.instance.id": "celery@host"}
    assert identity.slot({}, "celery@host", 3)["service.instance.id"] == "celery@host/3"


def test_producers_that_live_at_once_have_different_names() -> None:
    """A web server's processes share a host."""
    names = {identity.producer({}, "host", pid)["service.instance.id"] for pid in (7, 8)}
    assert names == {"host/producer-7", "host/producer-8"}


def test_the_environment_names_the_service() -> None:
    """OTEL_SERVICE_NAME comes before OTEL_RESOURCE_ATTRIBUTES, as OpenTelemetry says."""
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=my%20shop ,broken,empty="}
    assert identity.worker(environ, "n")["service.name"] == "my shop"
    environ["OTEL_SERVICE_NAME"] = "shop"
    assert identity.worker(environ, "n")["service.name"] == "shop"


def test_a_given_instance_is_still_told_apart_by_process() -> None:
    """One name for a pod is given to all of its processes; each needs one of its own."""
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=pod-1"}
    ids = [
        identity.worker(environ, "n")["service.instance.id"],
        identity.slot(environ, "n", 0)["service.instance.id"],
        identity.producer(environ, "host", 7)["service.instance.id"],
    ]
    assert ids == ["pod-1", "pod-1/0", "pod-1/producer-7"]


def test_a_broker_is_the_same_whoever_speaks_for_it() -> None:
    """What one host says of itself is not said of the broker; the service's own names are."""
    given = "service.instance.id=pod-7,host.name=h,service.namespace=shop,service.name=s"
    told = identity.broker({"OTEL_RESOURCE_ATTRIBUTES": given}, "db@1f")
    assert told == {
        "service.name": "s",
        "service.namespace": "shop",
        "service.instance.id": "broker/db@1f",
    }


def test_an_observer_is_a_process_of_its_host() -> None:
    """What an observer says about itself is told apart from every worker's and other observer's."""
    told = identity.observer({}, "h", 7)
    assert told == {"service.name": "celery", "service.instance.id": "h/observer-7"}
