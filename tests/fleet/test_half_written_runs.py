"""Runs that stop between two inputs, as an engine leaves them that writes in pieces and dies: they are mended and end.

The fleet commits all inputs of a transition at once, and leaves no such runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from redis_mob.fleet import engine
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.outcome import Succeeded
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.authority import FlowAuthorityInput
from redis_mob.models.conditions import GtCondition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow import FlowFrameState, NodeStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.simulation import told
from tests.fleet.working import at_work, loaded, whole

DEFINITION = mob(
    {"a": step(), "b": step(), "c": step(), "d": step()},
    {
        "a": node("a"),
        "b": node("b", "a"),
        "around": loop("around", GtCondition(path="steps.c.worker-1.round", value=0), 3, "a", c=node("c")),
        "d": node("d", "b", "around"),
    },
)
OUTPUTS = {name: {"worker-1": {"round": None}} for name in ("a", "b", "d")}
LOOP_OUTPUTS = {"around": tuple({"c": {"worker-1": {"round": number}}} for number in (0, 1))}


def answer(ctx: StepContext) -> dict[str, Any]:
    return {"round": ctx.iteration}


HANDLERS: Mapping[str, Handler] = {"*": answer}


def fleet_of(storage: MobStorage) -> Fleet:
    return Fleet(storage, DEFINITION, HANDLERS)


def next_move(view: RunView) -> Transition | None:
    """What one worker does next; None when the run is over."""
    random = Random(0)
    for key, execution in view.executions.items():
        if execution.status is ExecutionStatus.WAITING:
            return engine.claim(view, DEFINITION, key, owner="gone", random=random)
        if execution.status is ExecutionStatus.LEASED:
            output = {"round": view.run.frames[key.frame_id].kernel_state.iteration if "c" in key else None}
            token = execution.fencing_token
            return engine.settle(view, DEFINITION, key, Succeeded(output), token=token, random=random)
    return engine.advance(view, DEFINITION)


class Cut(NamedTuple):
    """The beginning of a transition, and the last input in it."""

    transition: Transition
    last: FlowAuthorityInput


def cuts(move: Transition) -> Iterator[Cut]:
    """A transition as an engine leaves it that dies after one of its inputs, before it tells of it.

    What was recorded of executions is there; those of steps that have not begun are not.
    """
    before = move.before
    machine = FlowMachine.from_run(before.run, DEFINITION.flows[FLOW])
    for number, last in enumerate(move.inputs, 1):
        machine = apply(machine, last)
        run = machine.stored_in(before.run)
        begun = {
            key: execution
            for key, execution in move.executions.items()
            if key.frame_id in run.frames
            and run.frames[key.frame_id].kernel_state.node_status[key.node_id]
            not in (NodeStatus.PENDING, NodeStatus.READY)
        }
        transition = Transition(
            before=before,
            run=run,
            executions=begun,
            inputs=move.inputs[:number],
            outputs=tuple(one for one in move.outputs if _has_ended(run, one.step_id)),
            look_again_at=before.now,
        )
        yield Cut(transition, last)


def _has_ended(run: MobRun, node_id: str) -> bool:
    """Whether a node has completed in the latest frame that has it."""
    states: list[FlowFrameState] = [one.kernel_state for one in run.frames.values()]
    latest = max((one for one in states if node_id in one.node_status), key=lambda one: one.iteration)
    return latest.node_status[node_id] is NodeStatus.COMPLETED


def is_possible(cut: Cut) -> bool:
    """Whether an engine can have stored this.

    None stores a grant to a loop without the loop, nor the outcome of a step without its end. That no frame is lost is
    taken for granted here: on a server a run without its root frame is damaged.
    """
    run = cut.transition.run
    around = [one for one in run.frames.values() if "around" in one.kernel_state.node_status]
    is_granted = any(one.kernel_state.node_status["around"] is NodeStatus.RUNNING for one in around)
    ended = [key for key, one in cut.transition.executions.items() if one.status is ExecutionStatus.COMPLETED]
    is_whole = bool(run.frames) and (bool(run.loops) or not is_granted)
    return is_whole and all(_has_ended(run, key.node_id) for key in ended)


async def stopped_where(
    storage: MobStorage, is_it: Callable[[Cut, tuple[FlowAuthorityInput, ...]], bool]
) -> tuple[str, Cut | None]:
    """A run that has stopped at the first place that is it; None and a run that is over if there is none.

    `is_it` is given the inputs before the transition too.
    """
    run_id = await fleet_of(storage).start(FLOW)
    while (move := next_move(await loaded(storage, run_id))) is not None:
        before = (await whole(storage, run_id)).flow_authority_inputs
        cut = next((cut for cut in cuts(move) if is_possible(cut) and is_it(cut, before)), None)
        assert await storage.executions.commit(cut.transition if cut else move)
        if cut is not None:
            return run_id, cut
    return run_id, None


async def check_mended(storage: MobStorage, run_id: str) -> None:
    """A half-written run is consistent once it was recovered, and ends by any worker."""
    fleet = fleet_of(storage)
    was_consistent = reconcile(await whole(storage, run_id)) == ()
    was_over = (await loaded(storage, run_id)).run.status.is_terminal
    assert await fleet.recover() == ([run_id] if was_over or not was_consistent else [])
    assert reconcile(await whole(storage, run_id)) == ()
    assert await fleet.recover() == []
    async with at_work(storage, HANDLERS), asyncio.timeout(LONG):
        run = await fleet.wait(run_id)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs == OUTPUTS
    assert run.loop_iteration_outputs == LOOP_OUTPUTS
    assert reconcile(run) == ()
    story = [told(event.kind) for event in await storage.events.replay_all()]
    assert [line for line in story if line in ENDS] == ["flow_completed"] == story[-1:]
    assert await fleet.recover() == []


ENDS = ("flow_completed", "flow_failed", "flow_canceled")


@pytest.mark.slow
async def test_a_run_is_mended_that_stopped_between_any_two_inputs(url: str) -> None:
    number = 0
    while True:
        places = count()
        async with MobStorage.open(url, namespace=f"test-{uuid4().hex}") as storage:
            run_id, cut = await stopped_where(storage, lambda _cut, _before: next(places) == number)  # noqa: B023
            if cut is None:
                break
            try:
                await check_mended(storage, run_id)
            except BaseException as error:
                error.add_note(f"the run had stopped after {cut.last}")
                raise
        number += 1
    print(f"a run was mended at {number} places")
    assert number > 40


def said(told: FlowAuthorityInput) -> str:
    """What an input says: its command, if it has one."""
    return str(getattr(getattr(told, "payload", None), "command", type(told).__name__))


STATES = {
    "without its root frame in the list": ["StartRun", "CreateFrameSeed"],
    "granted a slot for nothing": ["RegisterReadyFrame", "PumpNodeScheduler"],
    "in a step": ["PumpNodeScheduler", "AdmitNextReadyNode"],
    "holding the slot of a step that is over": ["AdmitNextReadyNode", "CompleteNode"],
    "without a frame in the list that has ready nodes": ["CompleteNode", "NodeExecutionReleased"],
    "holding the slot of the node of a loop": ["AdmitNextReadyNode", "CreateLoopSeed"],
    "without a loop in the list that waits for a body": ["CreateLoopSeed", "NodeExecutionReleased"],
    "in a loop that was not told of the end of its body": ["NodeExecutionReleased", "SealFrame"],
    "in a loop whose until was not evaluated": ["FrameTerminated", "RecordLoopBodyFrameCompleted"],
    "in the middle of the projection of its steps": ["ProjectFrameStepStatus", "ProjectFrameStepStatus"],
    "over, which was not told": ["ProjectFrameStepStatus", "TerminalizeCompleted"],
}
"""States that a crash leaves, each with the last inputs in the log."""


@pytest.mark.parametrize("state", STATES)
async def test_a_run_is_mended_that_is(storage: MobStorage, state: str) -> None:
    def is_it(cut: Cut, before: tuple[FlowAuthorityInput, ...]) -> bool:
        log = [*before, *cut.transition.inputs]
        return [said(one) for one in log][-len(STATES[state]) :] == STATES[state]

    run_id, cut = await stopped_where(storage, is_it)
    assert cut is not None, "no run is ever in this state"
    await check_mended(storage, run_id)


async def test_an_outcome_that_was_reported_and_not_decided_on_is_decided_on(storage: MobStorage) -> None:
    run_id = await fleet_of(storage).start(FLOW)
    for _ in range(2):
        move = next_move(await loaded(storage, run_id))
        assert move is not None
        assert await storage.executions.commit(move)
    view = await loaded(storage, run_id)
    [key] = view.executions
    output = Succeeded({"round": None})
    fact = engine.report(view, DEFINITION, key, output, token=view.executions[key].fencing_token)
    assert fact is not None
    assert await storage.executions.commit(fact)
    await check_mended(storage, run_id)


async def test_a_run_that_was_stored_and_nothing_else_is_driven_from_there(storage: MobStorage) -> None:
    await check_mended(storage, await fleet_of(storage).start(FLOW))


async def test_a_run_that_was_started_and_has_no_frame_can_be_canceled(storage: MobStorage) -> None:
    run_id = await fleet_of(storage).start(FLOW)
    move = next_move(await loaded(storage, run_id))
    assert move is not None
    first = next(cuts(move))
    assert said(first.last) == "StartRun"
    assert await storage.executions.commit(first.transition)
    assert await fleet_of(storage).cancel(run_id)
    async with at_work(storage, HANDLERS), asyncio.timeout(LONG):
        run = await fleet_of(storage).wait(run_id)
    assert run.status is MobRunStatus.CANCELED
    assert [told(event.kind) for event in await storage.events.replay_all()] == ["flow_canceled"]
