"""The providers of tracers, meters and loggers that the application has set in OpenTelemetry."""

from __future__ import annotations

from opentelemetry import metrics, trace
from opentelemetry._logs import LoggerProvider, get_logger_provider

from redis_mob.telemetry.instruments import Instruments
from redis_mob.telemetry.spans import Spans

_OF_THE_API = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
"""Where the classes are from that stand for a provider which is not set: proxies, and those that do nothing."""


def set_spans() -> Spans | None:
    """Spans by the provider that is set; None if none is."""
    provider = trace.get_tracer_provider()
    return Spans(provider) if _is_set(provider) else None


def set_instruments() -> Instruments | None:
    """Metrics by the provider that is set; None if none is."""
    provider = metrics.get_meter_provider()
    return Instruments(provider) if _is_set(provider) else None


def set_logger_provider() -> LoggerProvider | None:
    """The provider of loggers that is set; None if none is."""
    provider = get_logger_provider()
    return provider if _is_set(provider) else None


def _is_set(provider: object) -> bool:
    return not type(provider).__module__.startswith(_OF_THE_API)
