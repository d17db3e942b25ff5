"""Names are spelled as OpenTelemetry's exporter for Prometheus spells them (contract: metrics-3)."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from redis_mob.metrics.families import NamespaceCollector
from redis_mob.metrics.prometheus_names import label_name, series_names
from redis_mob.metrics.reading import NamespaceReader
from redis_mob.storage import MobStorage
from redis_mob.telemetry.names import METRICS, Kind, Metric, Source


def exported(metric: Metric) -> set[tuple[str, frozenset[str]]]:
    """The names and labels of the series that the exporter makes of one measurement."""
    registry = CollectorRegistry()
    provider = MeterProvider(metric_readers=[PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    meter, labels = provider.get_meter("test"), dict.fromkeys(metric.labels, "x")
    if metric.kind is Kind.COUNTER:
        meter.create_counter(metric.name, metric.unit).add(1, labels)
    elif metric.kind is Kind.HISTOGRAM:
        meter.create_histogram(metric.name, metric.unit).record(1.0, labels)
    else:
        meter.create_gauge(metric.name, metric.unit).set(1, labels)
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {
        (sample.name, frozenset(sample.labels) - {"le"})
        for sample in samples
        if not sample.name.startswith("target_") and not sample.name.endswith("_created")
    }


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_is_that_of_the_exporter(metric: Metric) -> None:
    labels = frozenset(map(label_name, metric.labels))
    assert exported(metric) == {(name, labels) for name in series_names(metric)}


@pytest.mark.parametrize("storage_url", ["memory:"])
async def test_all_metrics_of_a_namespace_are_told_and_no_others(storage_url: str, namespace: str) -> None:
    async with MobStorage.open(storage_url, namespace=namespace) as storage:
        reading = await NamespaceReader(storage).read()
    told = {family.name for family in NamespaceCollector(reading).collect()}
    assert told == {series_names(metric)[0] for metric in METRICS if metric.source is Source.NAMESPACE}
    assert {family.name for family in NamespaceCollector(None).collect()} == {"redis_mob_up"}
