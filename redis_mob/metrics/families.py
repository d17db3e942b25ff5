"""A reading of a namespace as the metrics that Prometheus knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from redis_mob.metrics.prometheus_names import family_name, label_name, unit_name
from redis_mob.metrics.reading import NamespaceReading
from redis_mob.operations.queue_report import QueueReport
from redis_mob.telemetry import names
from redis_mob.telemetry.names import Metric

_OF_QUEUES: Mapping[Metric, Callable[[QueueReport], float | None]] = {
    names.QUEUE_DEPTH: lambda one: one.waiting,
    names.QUEUE_OLDEST_AGE: lambda one: one.oldest_seconds or 0.0,
    names.QUEUE_DELAYED: lambda one: one.delayed,
    names.QUEUE_PAUSED: lambda one: one.paused,
    names.QUEUE_UNSERVED: lambda one: one.unserved,
    names.QUEUE_WORKERS: lambda one: one.workers,
}

Rows = Iterable[tuple[Sequence[str], float | None]]
"""The values of the labels of a metric, in their order, and what it is; None for what is not known."""


class NamespaceCollector(Collector):
    """Tells one reading; without one, that the namespace could not be read."""

    def __init__(self, reading: NamespaceReading | None) -> None:
        self._reading = reading

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics of the namespace."""
        yield _family(names.UP, [((), 0.0 if self._reading is None else 1.0)])
        if self._reading is not None:
            yield from _families(self._reading)


def _families(reading: NamespaceReading) -> Iterator[GaugeMetricFamily]:
    yield _family(names.RUN_COUNT, (((status.value,), number) for status, number in reading.runs.items()))
    for metric, value in _OF_QUEUES.items():
        yield _family(metric, (((one.mob_id, one.role, one.release), value(one)) for one in reading.queues))
    yield _family(names.ROLE_SLOTS_AVAILABLE, ((role, slots.available) for role, slots in reading.slots.items()))
    yield _family(names.ROLE_SLOTS_USED, ((role, slots.used) for role, slots in reading.slots.items()))
    yield _family(names.LIMIT_WAITING, (((*flow, role), waiting) for (flow, role), waiting in reading.limited.items()))
    yield _family(names.SCHEDULE_OVERDUE, reading.overdue.items())
    yield _family(names.WORKER_COUNT, (((release,), number) for release, number in reading.workers.items()))
    yield _family(names.ASKS_PENDING, [((), reading.asks)])
    yield _family(names.SERVER_MEMORY, [((), reading.memory.used)])
    yield _family(names.SERVER_MEMORY_LIMIT, [((), reading.memory.limit)])


def _family(metric: Metric, rows: Rows) -> GaugeMetricFamily:
    labels = [label_name(label) for label in metric.labels]
    family = GaugeMetricFamily(family_name(metric), metric.description, labels=labels, unit=unit_name(metric))
    for values, number in rows:
        if number is not None:
            family.add_metric(values, number)
    return family
