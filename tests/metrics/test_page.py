"""docs/metrics.md lists all metrics as Prometheus shows them."""

from __future__ import annotations

import pytest

from redis_mob.metrics.prometheus_names import label_name, series_names, unit_name
from redis_mob.telemetry.names import METRICS, Kind, Metric
from tests.project.checkout import text_of


def row_of(metric: Metric) -> str:
    """The row of a metric in the page."""
    name = series_names(metric)[0].removesuffix("_bucket")
    labels = ", ".join(label_name(label) for label in metric.labels) or "-"
    kind = "gauge" if metric.kind is Kind.GAUGE else f"{metric.kind.value}"
    unit = f", {unit_name(metric)}" if unit_name(metric) else ""
    return f"| `{name}` | {kind}{unit} | {labels} | {metric.description} |"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_on_the_page(metric: Metric) -> None:
    assert row_of(metric) in text_of("docs/metrics.md").splitlines()
