"""One worker as a process of its own, which tells spans and metrics of the SDK in files.

Its spans are lines of the file `<told>.<pid>.spans`; its metrics are written to `<told>.<pid>.metrics` when it ends: as
rows of name, unit, labels, count or value, and sum of a histogram. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from redis_mob import StepContext
from redis_mob.fleet.duties import duties_of
from redis_mob.fleet.handler_stores import handler_stores
from redis_mob.fleet.worker import Worker
from redis_mob.storage import MobStorage


class Lines(SpanExporter):
    """Appends a line for each span that has ended, but for those of calls of the store."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._file.open("a", encoding="utf-8") as lines:
            for span in spans:
                if "db.system.name" not in (span.attributes or {}):
                    lines.write(json.dumps(span_row(span)) + "\n")
        return SpanExportResult.SUCCESS


def span_row(span: ReadableSpan) -> dict[str, Any]:
    """A span, as a row."""
    context = span.get_span_context()
    assert context is not None
    return {
        "name": span.name,
        "pid": os.getpid(),
        "trace": context.trace_id,
        "id": context.span_id,
        "parent": span.parent and span.parent.span_id,
        "links": [link.context.span_id for link in span.links],
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes or {}),
    }


def metric_rows(reader: InMemoryMetricReader) -> list[list[Any]]:
    """All time series, as rows."""
    data = reader.get_metrics_data()
    found = [
        one
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for one in scope.metrics
    ]
    rows: list[list[Any]] = []
    for metric in found:
        points: list[Any] = list(metric.data.data_points)
        for point in points:
            number = point.value if hasattr(point, "value") else point.count
            total = getattr(point, "sum", None)
            rows.append([metric.name, metric.unit, dict(point.attributes or {}), number, total])
    return rows


async def works(ctx: StepContext) -> Any:
    """What the roles of the tests do, by the names of their steps."""
    match ctx.step_id:
        case "flaky" if ctx.attempt < 3:
            raise ValueError("not yet")
        case "asks":
            return (await ctx.ask("ok", "really?")).approved
        case "hopeless":
            raise KeyError("never")
        case "stopped" if ctx.fencing_token == 1:
            os.kill(os.getpid(), signal.SIGSTOP)  # what comes after it is too late
        case _:
            pass
    return os.getpid()


async def main(url: str, namespace: str, told: str) -> list[list[Any]]:
    """Work until standard input ends; gives the metrics."""
    reader, tracers = InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(Lines(Path(f"{told}.{os.getpid()}.spans"))))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([reader]))
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    async with MobStorage.open(url, namespace=namespace) as storage:
        worker = Worker(
            storage.executions,
            {"*": works},
            lease=timedelta(seconds=1),
            concurrency=4,
            duties=duties_of(storage),
            **handler_stores(storage),
        )

        def read_to_end() -> None:
            while sys.stdin.read(1):
                pass
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=read_to_end, daemon=True).start()
        await worker.run(ended)
    return metric_rows(reader)


if __name__ == "__main__":
    counted = asyncio.run(main(*sys.argv[1:4]))
    Path(f"{sys.argv[3]}.{os.getpid()}.metrics").write_text(json.dumps(counted), encoding="utf-8")
