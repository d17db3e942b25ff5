"""The same random calls on a server and in memory have the same results, and leave the same runs and events."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_mob.errors import MobStoreError
from redis_mob.models import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import COMPOUND, INPUTS, SIMPLE, Operation, scene, stale
from redis_mob.testing.samples.new_events import completed, failed, step_failed
from redis_mob.testing.samples.states import NOON, failure_entry, step_entry

EXAMPLES = int(os.environ.get("REDIS_MOB_EXAMPLES", "200"))

RUN_ID = "0191a6a0-0000-4000-8000-000000000009"
Call = tuple[str, str, tuple[Any, ...], dict[str, Any]]
"""(store, method, positional arguments, keyword arguments)."""


def of_run(name: str, **arguments: Any) -> Call:
    return "runs", name, (RUN_ID,), arguments


def of_events(name: str, *arguments: Any) -> Call:
    return "events", name, arguments, {}


@st.composite
def compound_calls(draw: st.DrawFn) -> Call:
    operation: Operation = draw(st.sampled_from((*COMPOUND, *SIMPLE)))
    arguments = dict(operation.arguments)
    if draw(st.booleans()):
        name = draw(st.sampled_from(operation.compared))
        arguments[name] = stale(arguments[name])
    return of_run(operation.name, **arguments, authority_inputs=draw(st.sampled_from([(), INPUTS])))


STATUSES = st.sampled_from(list(MobRunStatus))
EVENTS = st.sampled_from(
    [
        event.model_copy(update={"timestamp": NOON})
        for event in (completed(), failed(), completed(flow_id="f"), step_failed(), step_failed(reason="exit 2"))
    ]
)
VALUES = st.sampled_from([None, 1, 1.0, True, {"b": [1, {}], "a": "é"}])
STEPS = st.sampled_from(["build", "test"])
CALLS = st.one_of(
    compound_calls(),
    compound_calls(),
    st.builds(lambda one, two: of_run("cas_run_status", expected=one, next=two), STATUSES, STATUSES),
    st.builds(lambda step, value: of_run("put_step_output", step_id=step, output=value), STEPS, VALUES),
    st.builds(
        lambda name, step, value: of_run(name, entry=step_entry(step, output=value)),
        st.sampled_from(["append_step_entry", "append_step_entry_if_absent"]),
        STEPS,
        VALUES,
    ),
    st.builds(
        lambda name, step, reason: of_run(name, entry=failure_entry(step, reason)),
        st.sampled_from(["append_failure_entry", "append_failure_entry_if_absent"]),
        STEPS,
        STEPS,
    ),
    st.builds(
        of_events,
        st.sampled_from(["append", "append_terminal_event_if_absent", "append_step_failed_event_if_absent"]),
        EVENTS,
    ),
    st.builds(of_events, st.just("append_batch"), st.lists(EVENTS, max_size=3)),
    st.builds(of_events, st.just("prune"), st.sampled_from([NOON, NOON.replace(year=2027)])),
    st.builds(of_events, st.just("poll"), st.integers(-1, 5), st.integers(-1, 5)),
    st.sampled_from(
        [of_events("clear"), of_events("latest_cursor"), ("runs", "create_run", (scene(run_id=RUN_ID),), {})]
    ),
)


async def outcome(storage: MobStorage, call: Call) -> Any:
    store, method, positional, named = call
    try:
        return await getattr(getattr(storage, store), method)(*positional, **named)
    except MobStoreError as error:
        return type(error), str(error)


async def left(storage: MobStorage) -> Any:
    """Everything that is stored, without the times of the clock."""
    runs = [
        run.model_copy(update={"completed_at": run.completed_at and NOON})
        for run in await storage.runs.list_runs("mob")
    ]
    return [run.model_dump_json() for run in runs], await storage.events.replay_all()


async def compare(url: str, calls: list[Call]) -> None:
    namespace = f"test-{uuid4().hex}"
    async with (
        MobStorage.open(url, namespace=namespace) as server,
        MobStorage.open("memory:", namespace=namespace) as memory,
    ):
        for call in calls:
            assert await outcome(server, call) == await outcome(memory, call), call
            assert await left(server) == await left(memory), call


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls=st.lists(CALLS, max_size=25))
def test_server_and_memory_agree(server_url: str, calls: list[Call]) -> None:
    asyncio.run(compare(server_url, [("runs", "create_run", (scene(run_id=RUN_ID),), {}), *calls]))
