"""One worker as a process of its own, which exports its spans as lines of a file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from redis_mob import StepContext
from redis_mob.fleet.worker import Worker
from redis_mob.storage import MobStorage


class Lines(SpanExporter):
    """Appends a line for each span: its name, trace, id, parent, and the spans that it has links to."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            write(self._file, span.name, span)
        return SpanExportResult.SUCCESS


def write(file: Path, name: str, span: ReadableSpan) -> None:
    context = span.get_span_context()
    assert context is not None
    line = {
        "name": name,
        "pid": os.getpid(),
        "trace": context.trace_id,
        "id": context.span_id,
        "parent": span.parent and span.parent.span_id,
        "links": [link.context.span_id for link in span.links],
    }
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


async def main(url: str, namespace: str, told: Path) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Lines(told)))
    trace.set_tracer_provider(provider)

    async def dies_at_first(ctx: StepContext) -> int:
        if ctx.step_id == "a" and ctx.fencing_token == 1:
            span = trace.get_current_span()
            assert isinstance(span, ReadableSpan)
            write(told, "lost", span)
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    async with MobStorage.open(url, namespace=namespace) as storage:
        worker = Worker(storage.executions, {"*": dies_at_first}, lease=timedelta(seconds=1))
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
        await worker.run(ended)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
