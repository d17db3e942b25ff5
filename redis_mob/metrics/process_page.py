"""The metrics of this process: what OpenTelemetry counts here, and what the process itself tells Prometheus.

contract: metrics-5
"""

from __future__ import annotations

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import get_meter_provider, set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

from redis_mob.metrics.pages import Page, page_of


def count_in_this_process() -> bool:
    """Let OpenTelemetry count what its API is told in this process, for the page.

    False, with nothing done, where the modules of the handlers have set up OpenTelemetry: then the page has what their
    reader for Prometheus tells, if they have one. Metrics are told apart by their own labels alone, without those of
    their scope.
    """
    if isinstance(get_meter_provider(), MeterProvider):
        return False
    set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader(scope_info_enabled=False)]))
    return True


def process_page(accept: str) -> Page:
    """The metrics now, in the form that a header `Accept` asks for."""
    return page_of(REGISTRY, accept)
