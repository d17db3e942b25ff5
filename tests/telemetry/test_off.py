"""Without a provider nothing of OpenTelemetry is imported, and no hook costs an allocation (contract: telemetry-1)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import pytest

from redis_mob.connection.calls.calls import Calls
from redis_mob.connection.calls.scripts import script
from redis_mob.connection.retry import RetryPolicy
from redis_mob.fleet.outcome import Succeeded
from redis_mob.fleet.traced_attempts import TracedAttempts, end_attempt
from redis_mob.fleet.traced_commits import tell_committed, tell_lost
from redis_mob.fleet.traced_starts import start_of_child, start_of_run, told, traced
from redis_mob.models.transition import Transition
from redis_mob.storage import MobStorage
from redis_mob.telemetry import active, genai
from redis_mob.telemetry.handler_process import current_traceparent
from redis_mob.testing.samples.driven_runs import awaited

TIMES = 1_000


def allocated(hook: Callable[[], Any]) -> int:
    """How many bytes are allocated at a time, at most, while a hook is called again and again.

    The least of several counts: other threads of the test process, which allocate at times, are seen too.
    """
    return min(_allocated(hook) for _ in range(5))


def _allocated(hook: Callable[[], Any]) -> int:
    for _ in range(100):
        hook()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(TIMES):
            hook()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def removed() -> None:
    """In the place of a hook: what the loop itself costs."""


async def test_no_hook_allocates_anything() -> None:
    async with MobStorage.open("memory:", namespace=uuid4().hex) as storage:
        child = await awaited(storage.executions)
        view = await child.above.view()
        [(key, execution)] = view.executions.items()
        transition, outcome = Transition(before=view, run=view.run), Succeeded(1)
        attempts = TracedAttempts(cast("Any", None))

        async def nothing() -> bool:
            return True

        def ask() -> None:
            block = genai.chat("large")
            block.used(1, 2)
            block.finished("stop")
            block.said("gen_ai.input.messages", "hello")
            block.end()

        starting = nothing()
        hooks: list[Callable[[], Any]] = [
            active.is_on,
            active.observes_attempts,
            lambda: told(start_of_run(child.run, child.launch), starting),
            lambda: traced(start_of_child(child.run, child.launch, view, execution), child.launch),
            ask,
            lambda: attempts.claim(view, key, execution),
            lambda: attempts.taken(key, 1) if active.observes_attempts() else None,
            lambda: end_attempt(None, outcome),
            lambda: tell_committed(transition),
            lambda: tell_lost(transition),
            current_traceparent,
        ]
        loop_alone = allocated(removed)
        found = {number: allocated(hook) - loop_alone for number, hook in enumerate(hooks)}
        assert await starting
        assert all(more <= 0 for more in found.values()), found
        assert allocated(lambda: bytes(1_000)) > loop_alone, "an allocation is not seen"


@pytest.mark.parametrize("is_write", [False, True])
async def test_a_call_of_the_store_is_the_call_itself(is_write: bool) -> None:
    calls = Calls(cast("Any", None), RetryPolicy(), None)
    call = (calls.write if is_write else calls.read)(script("calls/namespace_exists"), [], [])
    call.close()
    assert call.__name__ == ("_write" if is_write else "_patiently")


def test_neither_the_package_nor_a_worker_imports_opentelemetry() -> None:
    program = """
        import asyncio, sys
        import redis_mob
        from redis_mob import Mob, MobStorage, step
        mob = Mob("m")
        @mob.handler
        def work() -> int:
            return 1
        flow = mob.flow("f", [step("work")])
        async def main():
            async with MobStorage.open("memory:", namespace="off") as storage:
                fleet = mob.fleet(storage)
                async with fleet.working():
                    run_id = await fleet.start(flow)
                    await fleet.wait(run_id)
                await fleet.score(run_id, "work", "good", 1)
        asyncio.run(main())
        assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


def test_the_providers_of_the_application_are_found_and_those_of_the_api_are_none() -> None:
    program = """
        import sys
        from opentelemetry import metrics, trace
        from redis_mob.telemetry import active
        active.activate()
        assert not active.is_on()
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        active.activate()
        assert active.spans is not None and active.instruments is None
        metrics.set_meter_provider(MeterProvider())
        active.activate()
        assert active.instruments is not None
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
