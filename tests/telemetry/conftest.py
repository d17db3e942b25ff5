"""Providers of the OpenTelemetry SDK that keep what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from redis_mob.storage import MobStorage
from redis_mob.telemetry import active, providers
from redis_mob.telemetry.instruments import Instruments
from redis_mob.telemetry.spans import Spans


class Told:
    """All that was told in one test."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.log = InMemoryLogRecordExporter()
        self.loggers = LoggerProvider()
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.log))

    def spans(self, prefix: str = "") -> list[ReadableSpan]:
        """The spans that have ended whose names begin so, but for those of calls of the store, by their begin."""
        ended = [one for one in self.exporter.get_finished_spans() if "db.system.name" not in (one.attributes or {})]
        return sorted((one for one in ended if one.name.startswith(prefix)), key=lambda one: one.start_time or 0)

    def span(self, name: str) -> ReadableSpan:
        """The one span of this name."""
        [one] = [one for one in self.exporter.get_finished_spans() if one.name == name]
        return one

    def points(self, metric: str) -> list[tuple[dict[str, Any], Any]]:
        """Labels and value of each time series of a metric; of a histogram how many values there are."""
        data = self.reader.get_metrics_data()
        found = [
            one
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric
        ]
        points: list[Any] = [point for one in found for point in one.data.data_points]
        return [(dict(one.attributes or {}), one.value if hasattr(one, "value") else one.count) for one in points]

    def events(self) -> list[Any]:
        """The log records that are events."""
        return [one.log_record for one in self.log.get_finished_logs() if one.log_record.event_name]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Telemetry as an application has it that has set all providers."""
    kept = Told()
    monkeypatch.setattr(active, "spans", Spans(kept.tracers))
    monkeypatch.setattr(active, "instruments", Instruments(kept.meters))
    monkeypatch.setattr(providers, "set_logger_provider", lambda: kept.loggers)
    yield kept
    for provider in (kept.tracers, kept.meters, kept.loggers):
        provider.shutdown()


def linked(span: ReadableSpan) -> list[int]:
    """The ids of the spans that a span has links to."""
    return [link.context.span_id for link in span.links]


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    """An open storage of the shared server."""
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened
