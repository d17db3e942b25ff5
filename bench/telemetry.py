"""How much dearer a step is with telemetry: `python -m bench.telemetry [steps] [rounds]`.

One worker does runs of so many steps, one after the other, with telemetry off and on in turn: both meet the same
machine. On, the SDK of OpenTelemetry records all spans and metrics; a batch processor gives the spans to an exporter
that drops them. The figure is processor time of this process, which other programs do not lengthen; of several rounds
the least one counts.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import median
from time import perf_counter, process_time
from uuid import uuid4

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from redis_mob import Mob, MobStorage, step
from redis_mob.telemetry import active
from redis_mob.telemetry.instruments import Instruments
from redis_mob.telemetry.spans import Spans


class Dropped(SpanExporter):
    """Takes spans, and does nothing with them."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


async def measured(url: str, steps: int, rounds: int) -> dict[bool, list[tuple[float, float]]]:
    """Processor time and time of each round, in seconds for one step: with telemetry off (False) and on (True)."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Dropped()))
    meters = MeterProvider([InMemoryMetricReader()])
    spans, instruments = Spans(tracers), Instruments(meters)
    mob = Mob("bench")

    @mob.handler
    async def work() -> int:
        return 1

    chain = [step(f"s{n}", role="work", after=f"s{n - 1}" if n else ()) for n in range(steps)]
    flow = mob.flow("chain", chain)
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    async with MobStorage.open(url, namespace=uuid4().hex) as storage:
        fleet = mob.fleet(storage)
        async with fleet.working():
            for number in range(-2, 2 * rounds):  # the first two warm up
                is_on = number % 2 == 1
                active.spans, active.instruments = (spans, instruments) if is_on else (None, None)
                cpu, began = process_time(), perf_counter()
                await fleet.wait(await fleet.start(flow))
                if number >= 0:
                    found[is_on].append(((process_time() - cpu) / steps, (perf_counter() - began) / steps))
    active.spans = active.instruments = None
    tracers.shutdown()
    meters.shutdown()
    return found


def main() -> None:
    steps, rounds = (*map(int, sys.argv[1:]), *(30, 25)[len(sys.argv) - 1 :])
    found = asyncio.run(measured("embedded:", steps, rounds))
    for column, name in enumerate(("processor time", "time")):
        off, on = ([one[column] * 1e6 for one in found[is_on]] for is_on in (False, True))
        print(
            f"{name} of a step: off {min(off):,.0f} us, on {min(on):,.0f} us, {min(on) / min(off):.2f} times; "
            f"p50 off {median(off):,.0f} us, on {median(on):,.0f} us, {median(on) / median(off):.2f} times"
        )


if __name__ == "__main__":
    main()
