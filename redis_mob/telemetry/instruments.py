"""Records the metrics of one process, each with the instrument, unit and buckets that names.py gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from redis_mob.telemetry import names
from redis_mob.telemetry.broken import tell_broken
from redis_mob.version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram

Labels = Mapping[str, str]

NO_LABELS: Labels = {}

ROUND_TRIPS = 7
"""One of this many round trips is measured. A sample is enough for quantiles, and a step makes several round trips.

Workers send the same few kinds of requests in turn. The number is prime, so that the sample does not always take the
same kind.
"""


class HasSlots(Protocol):
    """The slots of one worker."""

    @property
    def unused(self) -> int:
        """How many may be taken."""
        ...

    @property
    def used(self) -> int:
        """How many are taken."""
        ...


class Instruments:
    """Records metrics with one meter."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(names.SCOPE, __version__)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._slots = WeakSet[HasSlots]()
        self._round_trips = 0
        for metric in names.METRICS:
            if metric.source is names.Source.NAMESPACE:
                continue
            if metric.kind is names.Kind.COUNTER:
                self._counters[metric.name] = meter.create_counter(metric.name, metric.unit, metric.description)
            elif metric.kind is names.Kind.HISTOGRAM:
                self._histograms[metric.name] = meter.create_histogram(
                    metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.buckets
                )
        for metric, read in ((names.SLOTS_AVAILABLE, self._unused), (names.SLOTS_USED, self._used)):
            meter.create_observable_gauge(metric.name, [_observed(read)], metric.unit, metric.description)

    def count(self, metric: names.Metric, labels: Labels = NO_LABELS, number: int = 1) -> None:
        """Add to a counter."""
        try:
            self._counters[metric.name].add(number, labels)
        except Exception as error:  # noqa: BLE001 - of the application
            tell_broken(error)

    def record(self, metric: names.Metric, seconds: float, labels: Labels = NO_LABELS) -> None:
        """Record a time, in seconds; of two clocks that disagree it is 0 at least."""
        try:
            self._histograms[metric.name].record(max(seconds, 0.0), labels)
        except Exception as error:  # noqa: BLE001 - of the application
            tell_broken(error)

    def measures_round_trip(self) -> bool:
        """Whether the next round trip is measured; the first one is."""
        self._round_trips = (self._round_trips + 1) % ROUND_TRIPS
        return self._round_trips == 1

    def watch_slots(self, slots: HasSlots) -> None:
        """Tell of the slots of a worker for as long as these exist."""
        self._slots.add(slots)

    def _unused(self) -> int:
        return sum(slots.unused for slots in self._slots)

    def _used(self) -> int:
        return sum(slots.used for slots in self._slots)


def _observed(read: Callable[[], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _options: [Observation(read())]
