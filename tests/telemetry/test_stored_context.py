"""The context of a start is stored with its run, in a form that older releases read (contract: telemetry-2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob.codec.executions import decode_execution, decode_launch, encode_execution, encode_launch
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.execution import Execution, RunLaunch
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.telemetry import active
from redis_mob.testing.samples.driven_runs import NOON
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import run_flow
from tests.telemetry.conftest import Told, id_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

LAUNCH = b'{"definition":"d","members":{},"schemas":{},"parsed_steps":[],"max_duration_ms":null}'
"""As a release wrote it that knew no contexts."""

EXECUTION = (
    b'{"step_id":"a","role":"r","message":"m","status":"waiting","attempt":1,"lost":0,'
    b'"due_at":"2026-01-01T12:00:00Z","fencing_token":0,"output":null}'
)


def test_what_an_older_release_wrote_is_read_and_written_as_it_was() -> None:
    launch = decode_launch("run", LAUNCH)
    assert launch.trace is None
    assert bytes(encode_launch(launch)) == LAUNCH
    execution = decode_execution(EXECUTION)
    assert execution.trace is None
    assert json.loads(execution.model_dump_json()) == json.loads(EXECUTION)


def test_a_context_is_one_more_field_which_an_older_release_passes_over() -> None:
    launch = decode_launch("run", LAUNCH).model_copy(update={"trace": TRACE})
    written = bytes(encode_launch(launch))
    assert json.loads(written) == {**json.loads(LAUNCH), "trace": TRACE}
    assert decode_launch("run", written) == launch
    execution = Execution(step_id="a", role="r", message="m", due_at=NOON, trace=TRACE)
    assert decode_execution(bytes(encode_execution(execution))) == execution


def test_launches_that_differ_by_their_contexts_alone_are_read_once() -> None:
    read = [
        decode_launch("run", bytes(encode_launch(decode_launch("run", LAUNCH).model_copy(update={"trace": trace}))))
        for trace in (TRACE, TRACE.replace("4bf9", "5bf9"))
    ]
    assert read[0].members is read[1].members
    assert [one.trace for one in read] == [TRACE, TRACE.replace("4bf9", "5bf9")]


@pytest.mark.parametrize("trace", ["", "short", 'with "quotes"}', "x" * 55, "\\" * 55, f'{TRACE[:-3]}","'])
def test_any_other_text_is_read_as_it_was_written(trace: str) -> None:
    launch = RunLaunch(definition='d,"trace":"', members=decode_launch("run", LAUNCH).members, trace=trace)
    assert decode_launch("run", bytes(encode_launch(launch))) == launch


async def launch_of(storage: MobStorage, run_id: str) -> RunLaunch:
    view = await storage.executions.load(run_id)
    assert view is not None
    return view.launch


async def test_a_run_that_is_started_without_telemetry_has_no_context(storage: MobStorage) -> None:
    run_id = await Fleet(storage, mob({"a": step()})).start(FLOW)
    assert (await launch_of(storage, run_id)).trace is None


async def test_a_fork_has_a_start_of_its_own(storage: MobStorage, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ctx: Any) -> int:
        return 1

    run = await run_flow(storage, mob({"a": step()}), work)
    first = (await launch_of(storage, run.run_id)).trace
    assert first is not None
    assert f"{id_of(told.span(f'start {FLOW}')):016x}" in first
    forked = (await launch_of(storage, await FleetAdmin(storage).fork(run.run_id, from_step="a"))).trace
    assert forked is not None
    assert forked != first
    monkeypatch.setattr(active, "spans", None)
    assert (await launch_of(storage, await FleetAdmin(storage).fork(run.run_id, from_step="a"))).trace is None
