"""How names of metrics are spelled for Prometheus, as OpenTelemetry's own exporter does it (contract: metrics-3)."""

from __future__ import annotations

from redis_mob.telemetry.names import Kind, Metric

_UNITS = {"s": "seconds", "By": "bytes"}
"""The units that are added to a name. Others, as `1` and `{run}`, are not."""


def family_name(metric: Metric) -> str:
    """The name of a metric without the unit and what its kind adds."""
    return label_name(metric.name)


def unit_name(metric: Metric) -> str:
    """The unit as names end with it, or nothing."""
    return _UNITS.get(metric.unit, "")


def label_name(name: str) -> str:
    """The name of a label: that of an attribute with underscores in the place of its dots."""
    return name.replace(".", "_")


def series_names(metric: Metric) -> tuple[str, ...]:
    """The names of the series of a metric as they are queried: three of a histogram."""
    unit = unit_name(metric)
    base = f"{family_name(metric)}_{unit}" if unit else family_name(metric)
    if metric.kind is Kind.COUNTER:
        return (f"{base}_total",)
    if metric.kind is Kind.HISTOGRAM:
        return tuple(f"{base}_{part}" for part in ("bucket", "count", "sum"))
    return (base,)
