from __future__ import annotations

from telemetry import catalog
from telemetry.catalog import Kind


def test_names_are_unique_here_and_in_prometheus() -> None:
    """No two metrics share a name on the wire or in the exposition."""
    assert len({metric.name for metric in catalog.METRICS}) == len(catalog.METRICS)
    assert len({metric.exposed for metric in catalog.METRICS}) == len(catalog.METRICS)


def test_every_metric_of_the_module_is_in_the_list() -> None:
    """What is defined is also in the reference."""
    defined = {value for value in vars(catalog).values() if isinstance(value, catalog.Metric)}
    assert defined == set(catalog.METRICS)


def test_attributes_are_the_ones_that_collectors_let_through() -> None:
    """A new key would be redacted away everywhere, so it is a decision, not a detail."""
    keys = "check exception hostname queue_name reason schedule stage state task_name"
    assert tuple(keys.split()) == catalog.ATTRIBUTES


def test_exposed_names_are_those_of_the_contract() -> None:
    """Dashboards and alerts of others depend on these."""
    assert catalog.STARTED.exposed == "celery_task_started_total"
    assert catalog.SUCCESS.exposed == "celery_task_success_total"
    assert catalog.RUNTIME.exposed == "celery_task_runtime_seconds"
    assert catalog.UP.exposed == "celery_worker_up"
    assert catalog.QUEUE_LENGTH.exposed == "celery_queue_length"
    assert catalog.QUEUE_OLDEST_AGE.exposed == "celery_queue_oldest_age_seconds"
    assert catalog.BROKER_TABLE_SIZE.exposed == "celery_broker_table_size_bytes"


def test_buckets_ascend_and_belong_to_histograms() -> None:
    """Bounds are in order and without repetition; only histograms have any."""
    for metric in catalog.METRICS:
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets)), metric.name


def test_closed_values_belong_to_an_attribute() -> None:
    """A list of values says what the last attribute can be."""
    assert all(metric.attributes for metric in catalog.METRICS if metric.values)
