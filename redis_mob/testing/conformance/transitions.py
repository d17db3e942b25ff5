"""Transitions of runs: all that belongs to one, and what loses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.contracts import ExecutionStore, MobEventStore, MobRunStore
from redis_mob.errors import InternalError
from redis_mob.fleet import engine
from redis_mob.models import FlowStarted, LoopSnapshot, MobRun, MobRunStatus, NewMobEvent
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.ledger import MAX_LOOP_ITERATION
from redis_mob.models.transition import Commit, RecordedOutput, RunView, Transition
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.conformance.run_guarantee import read
from redis_mob.testing.samples.driven_runs import (
    FLOW,
    LONG_LEASE,
    ONE_STEP,
    STEPS_AND_LOOP,
    DrivenRun,
    at_noon,
    keys_of,
    must,
    waiting,
)
from redis_mob.testing.samples.new_events import RUN, canceled, completed, numbered
from redis_mob.testing.samples.states import (
    NOON,
    authority_input,
    failure_entry,
    frame,
    iteration_entry,
    loop,
    rebuilt,
    step_entry,
)


class TestTransitions(Guarantee):
    """A transition happens exactly once, with everything that belongs to it, and on nothing but what was read."""

    async def test_everything_that_belongs_to_a_transition_is_written(
        self, executions: ExecutionStore, runs: MobRunStore, events: MobEventStore
    ) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        view, told = await run.view(), await events.replay_all()
        whole = await read(runs, view.run)
        transition = _full(view)
        assert await executions.commit(transition) is Commit.WON
        after, left = await run.view(), _left(whole, transition)
        assert await read(runs, view.run) == left
        assert after.run == left.core()
        assert dict(after.executions) == {**view.executions, **transition.executions}
        assert [event.kind for event in (await events.replay_all())[len(told) :]] == [
            *(event.kind for event in transition.events),
            *(event.kind for event in transition.terminal_events),
        ]

    async def test_a_lost_transition_writes_nothing(self, executions: ExecutionStore, events: MobEventStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        view, told = await run.view(), await events.replay_all()
        await executions.request_cancel(run.run_id)
        assert await executions.commit(_full(view)) is Commit.LOST
        assert at_noon(await run.view()) == replace(at_noon(view), cancel_requested=True)
        assert await events.replay_all() == told

    @pytest.mark.parametrize("broken", ["input", "output", "iteration", "event", "terminal event"])
    async def test_what_cannot_be_stored_is_refused_before_any_write(
        self, executions: ExecutionStore, events: MobEventStore, broken: str
    ) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        view, told = await run.view(), await events.replay_all()
        started: Any = FlowStarted.model_construct(run_id=RUN, flow_id=FLOW, params=object())
        event = NewMobEvent.model_construct(mob_id="mob", timestamp=None, kind=started)
        transition = _full(view)
        transition = {
            "input": replace(transition, inputs=(*transition.inputs, started)),
            "output": replace(transition, outputs=(*transition.outputs, RecordedOutput("b", object(), None))),
            "iteration": replace(transition, outputs=(RecordedOutput("b", 1, ("loop", MAX_LOOP_ITERATION + 1)),)),
            "event": replace(transition, events=(*transition.events, event)),
            "terminal event": replace(transition, terminal_events=(event,)),
        }[broken]
        with pytest.raises(InternalError):
            await executions.commit(transition)
        assert at_noon(await run.view()) == at_noon(view)
        assert await events.replay_all() == told

    async def test_a_commit_that_nothing_disturbs_is_won_once(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        view = await run.view()
        transition = run.claimed(view, keys_of(view)[0])
        assert await executions.commit(transition) is Commit.WON
        assert await executions.commit(transition) is Commit.LOST

    async def test_of_many_who_claim_one_execution_one_wins(self, open_stores: Opener, runs: MobRunStore) -> None:
        stores = await _several(open_stores)
        run = await waiting(stores[0], STEPS_AND_LOOP)
        view = await run.view()
        [key, _] = keys_of(view)
        transition = run.claimed(view, key)
        won = await asyncio.gather(*(store.commit(transition) for store in stores for _ in range(3)))
        assert won.count(Commit.WON) == 1
        after = await run.view()
        assert (after.executions[key].status, after.executions[key].fencing_token) == (ExecutionStatus.LEASED, 1)
        assert len((await read(runs, view.run)).step_ledger) == 1

    async def test_two_results_of_one_step_cannot_pass_each_other(self, open_stores: Opener) -> None:
        one, two, _ = await _several(open_stores)
        run = await waiting(one, STEPS_AND_LOOP)
        await run.claim(*keys_of(await run.view()))
        view = await run.view()
        first, second = (run.settled(view, key) for key in keys_of(view))
        assert await asyncio.gather(one.commit(first), two.commit(second)) in ([True, False], [False, True])

    async def test_what_a_transition_does_not_touch_may_change(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        [one, other], [inner, _] = keys_of(await run.view()), keys_of(await run.view(), "in")
        await run.claim(one, inner)
        view = await run.view()
        transition = run.claimed(view, other)
        assert await executions.commit(run.reported(view, inner))
        assert await executions.commit(transition) is Commit.WON
        after = await run.view()
        assert after.executions[inner] != view.executions[inner]
        assert after.executions[other] == transition.executions[other]

    async def test_a_view_is_that_of_one_moment(self, open_stores: Opener) -> None:
        """Each claim comes with a row of the failure ledger."""
        writer, reader, _ = await _several(open_stores)
        run = await waiting(writer, STEPS_AND_LOOP, members=4)
        for key in (await run.view()).executions:
            reading = asyncio.gather(*(reader.load(run.run_id) for _ in range(4)))
            await asyncio.sleep(0)  # the reads begin
            claim = run.claimed(await run.view(), key)
            assert await writer.commit(replace(claim, failure_rows=(failure_entry(),)))
            for view in await reading:
                assert view is not None
                leased = [one for one in view.executions.values() if one.status is ExecutionStatus.LEASED]
                assert len(leased) == len(view.run.failure_ledger)

    async def test_events_come_with_the_transitions_and_end_with_the_terminal_one(
        self, executions: ExecutionStore, events: MobEventStore, runs: MobRunStore
    ) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        await run.claim(key)
        await run.settle(key)
        told = await events.replay_all()
        assert [event.kind.type for event in told] == [
            "flow_started",
            "step_dispatched",
            "step_target_completed",
            "step_completed",
            "flow_completed",
        ]
        assert [event.cursor for event in told] == [1, 2, 3, 4, 5]
        over = await runs.get_run(run.run_id)
        assert over is not None
        assert over.completed_at is not None
        assert await executions.status(run.run_id) is over.status is MobRunStatus.COMPLETED

    async def test_a_flow_that_the_log_has_ended_already_is_not_ended_again(
        self, executions: ExecutionStore, events: MobEventStore
    ) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        await events.append(canceled(run.run_id, FLOW))
        await executions.request_cancel(run.run_id)
        await run.advance()
        assert [event.kind.type for event in await events.replay_all()] == ["flow_started", "flow_canceled"]
        assert await executions.status(run.run_id) is MobRunStatus.CANCELED


class TestLostTransitions(Guarantee):
    """A transition is lost, with nothing written, once the run or anything it changes or relies on is another."""

    async def test_the_flow_state_has_changed(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        async def change(view: RunView) -> None:
            state = view.run.flow_state
            changed = rebuilt(state, escalation_threshold=7)
            assert await runs.cas_flow_state(view.run.run_id, expected=state, next=changed)

        await _is_lost(executions, change, settles="in")

    async def test_the_status_has_changed(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        async def change(view: RunView) -> None:
            end = MobRunStatus.CANCELED
            assert await runs.cas_run_status(view.run.run_id, expected=MobRunStatus.RUNNING, next=end)

        await _is_lost(executions, change, settles="in")

    async def test_a_frame_that_it_changes_has_changed(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        async def change(view: RunView) -> None:
            frame_id = keys_of(view, "b")[0].frame_id
            stored = view.run.frames[frame_id]
            changed = stored.model_copy(update={"kernel_state": rebuilt(stored.kernel_state, last_admitted_node="x")})
            assert await runs.cas_frame_state(view.run.run_id, frame_id=frame_id, expected=stored, next=changed)

        await _is_lost(executions, change, settles="b")

    async def test_a_loop_that_it_changes_has_changed(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        async def change(view: RunView) -> None:
            [(loop_id, stored)] = view.run.loops.items()
            changed = LoopSnapshot(kernel_state=rebuilt(stored.kernel_state, max_iterations=9))
            await runs.upsert_loop_snapshot(view.run.run_id, loop_instance_id=loop_id, snapshot=changed)

        await _is_lost(executions, change, settles="in")

    async def test_an_execution_that_it_changes_has_changed(self, executions: ExecutionStore) -> None:
        async def change(view: RunView) -> None:
            run = DrivenRun(executions, STEPS_AND_LOOP, view.run.run_id)
            assert await executions.commit(run.reported(view, keys_of(view, "in")[1]))

        await _is_lost(executions, change, settles="in")

    async def test_another_decision_came_between(self, executions: ExecutionStore) -> None:
        """On the other member, without whose result the step is not decided yet."""

        async def change(view: RunView) -> None:
            run = DrivenRun(executions, STEPS_AND_LOOP, view.run.run_id)
            await run.settle(keys_of(view, "a")[0])

        await _is_lost(executions, change, settles="a")

    async def test_cancellation_was_requested(self, executions: ExecutionStore) -> None:
        async def change(view: RunView) -> None:
            assert await executions.request_cancel(view.run.run_id)

        await _is_lost(executions, change, settles="a")


class TestFacts(Guarantee):
    """What concerns single executions does not compete with decisions on their run, and is not forgotten by them."""

    async def test_a_claim_wins_although_a_decision_came_between(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        [one, other] = keys_of(await run.view())
        await run.claim(one)
        view = await run.view()
        await run.settle(one)
        assert await executions.commit(run.claimed(view, other)) is Commit.WON

    async def test_a_decision_wins_although_facts_came_between(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        [one, other], [inner, _] = keys_of(await run.view()), keys_of(await run.view(), "in")
        await run.claim(one, other)
        view = await run.view()
        await run.claim(inner)
        assert await executions.commit(run.reported(view, other)) is Commit.WON
        assert await executions.commit(run.settled(view, one)) is Commit.WON

    async def test_reports_of_several_workers_do_not_compete(self, open_stores: Opener) -> None:
        one, two, _ = await _several(open_stores)
        run = await waiting(one, STEPS_AND_LOOP)
        await run.claim(*keys_of(await run.view()))
        view = await run.view()
        facts = [run.reported(view, key) for key in keys_of(view)]
        assert await asyncio.gather(one.commit(facts[0]), two.commit(facts[1])) == [True, True]
        after = await run.view()
        assert {after.executions[key].status for key in keys_of(after)} == {ExecutionStatus.REPORTED}
        assert (after.version, after.reports) == (view.version, view.reports + 2)

    async def test_an_outcome_is_reported_once(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        [key, _] = keys_of(await run.view())
        await run.claim(key)
        view = await run.view()
        assert await executions.commit(run.reported(view, key)) is Commit.WON
        assert await executions.commit(run.reported(view, key)) is Commit.LOST
        assert await executions.commit(run.settled(view, key)) is Commit.LOST

    async def test_a_report_makes_the_run_due_and_a_decision_takes_it(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        await run.claim(key)
        assert await _due(executions) == ()
        assert await executions.commit(run.reported(await run.view(), key))
        assert await _due(executions) == (run.run_id,)
        await run.advance()
        assert await executions.status(run.run_id) is MobRunStatus.COMPLETED
        assert await _due(executions) == ()

    async def test_a_report_after_the_read_of_a_decision_makes_the_run_due_once_that_is_made(
        self, executions: ExecutionStore
    ) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        [one, other] = keys_of(await run.view())
        await run.claim(one, other)
        assert await executions.commit(run.reported(await run.view(), one))
        assert await _due(executions) == (run.run_id,)
        view = await run.view()
        assert await executions.commit(run.reported(view, other))
        assert await _due(executions) == (), "the worker that has the run in hand is not disturbed"
        assert await executions.commit(must(engine.advance(view, run.definition)))
        assert await _due(executions) == (run.run_id,)
        await run.advance()
        assert await _due(executions) == ()

    async def test_a_run_that_is_given_back_is_due_at_the_next_report(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        [one, other] = keys_of(await run.view())
        await run.claim(one, other)
        assert await executions.commit(run.reported(await run.view(), one))
        assert await _due(executions) == (run.run_id,)
        await run.advance()
        assert await executions.commit(must(engine.give_back(await run.view())))
        assert await executions.commit(run.reported(await run.view(), other))
        assert await _due(executions) == (run.run_id,)


async def _due(executions: ExecutionStore) -> tuple[str, ...]:
    """The runs that are due now; they are in hand from then on."""
    return (await executions.take_due(max_runs=9, max_executions=0, keep=LONG_LEASE)).runs


async def _is_lost(executions: ExecutionStore, change: Callable[[RunView], Awaitable[None]], *, settles: str) -> None:
    """A result of this step is lost after the change. Of `b` and `in` it is the last one, which decides the step."""
    run = await waiting(executions, STEPS_AND_LOOP)
    for step_id in ("a", "b", "in"):
        await run.claim(*keys_of(await run.view(), step_id))
    for step_id in ("b", "in"):
        await run.settle(keys_of(await run.view(), step_id)[0])
    view = await run.view()
    transition = run.settled(view, keys_of(view, settles)[1])

    await change(view)
    changed = await run.view()
    assert await executions.commit(transition) is Commit.LOST
    assert at_noon(await run.view()) == at_noon(changed)


def _full(view: RunView) -> Transition:
    """A transition with something of everything that may belong to one."""
    run, [key, *_] = view.run, keys_of(view)
    added = Execution(step_id="c", role="worker", message="é", due_at=NOON, output={"n": [1, 1.0]})
    state = rebuilt(run.flow_state, failure_count=7)
    after = run.model_copy(
        update={
            "flow_state": state,
            "frames": run.frames.set(("frame", frame("frame"))),
            "loops": run.loops.set(("loop", loop("loop"))),
        }
    )
    row, row_once, failure, iteration = step_entry("a"), step_entry("b"), failure_entry("a"), iteration_entry("frame")
    inputs = (authority_input(3), authority_input(1))
    return Transition(
        before=view,
        run=after,
        executions={
            key: view.executions[key].model_copy(update={"attempt": 2}),
            ExecutionKey("frame", "c\0", "é"): added,
        },
        inputs=inputs,
        outputs=(RecordedOutput("a", {"x": [1, None]}, None), RecordedOutput("in", 2, ("l", 1))),
        step_rows=(row, row),
        step_rows_once=(row, row_once, row_once),
        failure_rows=(failure, failure),
        iteration_rows=(iteration,),
        events=(numbered(2), numbered(1)),
        terminal_events=(completed(run.run_id, FLOW),),
        look_again_at=view.now + timedelta(minutes=5),
    )


def _left(run: MobRun, transition: Transition) -> MobRun:
    """What the transition of `_full` makes of a run."""
    [row, _], [_, row_once, _] = transition.step_rows, transition.step_rows_once
    return MobRun.model_validate(
        {
            **dict(transition.run),
            "flow_authority_inputs": (*run.flow_authority_inputs, *transition.inputs),
            "root_step_outputs": {"a": {"x": [1, None]}},
            "loop_iteration_outputs": {"l": [{}, {"in": 2}]},
            "step_ledger": (*run.step_ledger, row, row, row_once),
            "failure_ledger": transition.failure_rows,
            "loop_iteration_ledger": (*run.loop_iteration_ledger, *transition.iteration_rows),
        }
    )


async def _several(open_stores: Opener) -> list[ExecutionStore]:
    """The store of three handles."""
    return [given("executions", (await open_stores()).executions) for _ in range(3)]
