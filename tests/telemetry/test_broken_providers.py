"""Providers that raise: telemetry is lost, and nothing else (contract: telemetry-10)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler, SamplingResult

from redis_mob.errors import NotFoundError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.storage import MobStorage
from redis_mob.telemetry import active, genai
from redis_mob.telemetry.instruments import Instruments
from redis_mob.telemetry.spans import Spans
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow


class BrokenError(RuntimeError):
    """What these providers raise."""


class RaisesAtBegin(SpanProcessor):
    def on_start(self, span: Span, parent_context: Any = None) -> None:
        raise BrokenError("on_start")


class RaisesAtEnd(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise BrokenError("on_end")


class RaisingSampler(Sampler):
    def should_sample(self, *_args: Any, **_kwargs: Any) -> SamplingResult:
        raise BrokenError("sampler")

    def get_description(self) -> str:
        return "raises"


class _RaisingInstrument:
    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def add(self, *_args: Any, **_kwargs: Any) -> None:
        raise BrokenError("add")

    def record(self, *_args: Any, **_kwargs: Any) -> None:
        raise BrokenError("record")


class _RaisingMeter:
    create_counter = create_histogram = create_observable_gauge = _RaisingInstrument


class RaisingMeters(NoOpMeterProvider):
    def get_meter(self, *_args: Any, **_kwargs: Any) -> Any:
        return _RaisingMeter()


def tracers_with(processor: SpanProcessor) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(processor)
    return provider


PROVIDERS: dict[str, tuple[Any, Any]] = {
    "begin": (lambda: tracers_with(RaisesAtBegin()), NoOpMeterProvider),
    "end": (lambda: tracers_with(RaisesAtEnd()), NoOpMeterProvider),
    "sampler": (lambda: TracerProvider(sampler=RaisingSampler()), NoOpMeterProvider),
    "meters": (lambda: TracerProvider(sampler=ALWAYS_OFF), RaisingMeters),
}


@pytest.fixture(params=list(PROVIDERS))
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Telemetry as an application has it whose providers raise."""
    make_tracers, make_meters = PROVIDERS[request.param]
    tracers: TracerProvider = make_tracers()
    meters: MeterProvider = make_meters()
    monkeypatch.setattr(active, "is_broken", False)
    monkeypatch.setattr(active, "spans", Spans(tracers))
    monkeypatch.setattr(active, "instruments", Instruments(meters))
    yield
    tracers.shutdown()


@pytest.mark.usefixtures("broken")
async def test_a_fleet_works_as_without_them(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    async def worker(ctx: StepContext) -> str:
        calls.append(ctx.attempt)
        with genai.chat("m") as block:
            block.used(1, 2)
        if ctx.attempt == 1:
            raise ValueError("at first")
        return "done"

    with caplog.at_level(logging.WARNING):
        run = await run_flow(
            storage, mob({"a": step(), "b": step("a")}, limits={"max_step_retries": 1}), {"worker": worker}
        )
        assert run.status == "completed"
        assert sorted(calls) == [1, 1, 2, 2]
        fleet = Fleet(storage, mob({"a": step()}), {"worker": worker})
        await fleet.score(run.run_id, "a", "good", 1.0)
        with pytest.raises(NotFoundError):  # an error of the call itself is told as it is
            await fleet.score("00000000-0000-4000-8000-000000000000", "a", "good", 1.0)
    records = (*caplog.get_records("setup"), *caplog.get_records("call"))
    told = [one for one in records if one.name.startswith("redis_mob.telemetry")]
    assert len(told) == 1, "it is told once, and not with each span"
    assert "BrokenError" in told[0].getMessage()
