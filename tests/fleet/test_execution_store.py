"""The store of executions on a real server: each promise of its contract, and the double used elsewhere in these tests
compared with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet import engine
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.outcome import Succeeded
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import FlowCanceled, NewMobEvent
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.run import MobRun, MobRunStatus
from redis_mob.models.transition import RunView, Transition
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.states import new_run
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.interleaving import Interleaving, moody
from tests.fleet.simulation import NOON, SimulatedStore, told
from tests.fleet.strategies import EVERYTHING, mobs

LONG_LEASE = timedelta(minutes=1)
RANDOM = Random(0)

TWO_STEPS = mob(
    {"a": step(), "b": step(), "in": step()},
    {"a": node("a"), "b": node("b"), "l": loop("l", EqCondition(path="params.x", value=1), 2, i=node("in"))},
)


async def started(storage: MobStorage, definition: MobDefinition = TWO_STEPS, **members: int) -> str:
    """A run that waits for its members; two of each role unless said otherwise."""
    fleet = Fleet(storage, definition, {"*": print}, members={"worker": 2, **members})
    run_id = await fleet.start(FLOW)
    assert await storage.executions.commit(must(engine.advance(await view_of(storage, run_id), definition)))
    return run_id


async def view_of(storage: MobStorage, run_id: str) -> RunView:
    view = await storage.executions.load(run_id)
    assert view is not None
    return view


def must(transition: Transition | None) -> Transition:
    assert transition is not None
    return transition


def keys_of(view: RunView, step_id: str) -> list[ExecutionKey]:
    return sorted(key for key, execution in view.executions.items() if execution.step_id == step_id)


def claimed(view: RunView, key: ExecutionKey, lease: timedelta = LONG_LEASE) -> Transition:
    return must(engine.claim(view, TWO_STEPS, key, owner="one", lease=lease, random=RANDOM))


def settled(view: RunView, key: ExecutionKey) -> Transition:
    token = view.executions[key].fencing_token
    return must(engine.settle(view, TWO_STEPS, key, Succeeded(1), token=token, random=RANDOM))


class Recorder(SimulatedStore):
    """Writes down everything that is asked of the double, with its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any, bool, RunView]] = []

    async def start_run(self, run: MobRun, launch: Any, definition: MobDefinition) -> bool:
        answer = await super().start_run(run, launch, definition)
        self.calls.append(("start", (run, launch, definition), answer, self.view))
        return answer

    def commit(self, transition: Transition) -> bool:
        answer = super().commit(transition)
        self.calls.append(("commit", transition, answer, self.view))
        return answer

    def renew_lease(self, key: ExecutionKey, *, expected: Execution, next: Execution) -> bool:
        answer = super().renew_lease(key, expected=expected, next=next)
        self.calls.append(("renew", (key, expected, next), answer, self.view))
        return answer

    def request_cancel(self) -> bool:
        answer = super().request_cancel()
        self.calls.append(("cancel", None, answer, self.view))
        return answer


def comparable(view: RunView) -> RunView:
    """Without the times that a real clock gives."""
    run = view.run.model_copy(update={"completed_at": view.run.completed_at and NOON})
    return replace(view, run=run, launched_at=NOON, now=NOON)


async def asked(storage: MobStorage, run_id: str, call: str, argument: Any) -> bool:
    match call:
        case "start":
            return await storage.executions.start_run(*argument)
        case "commit":
            return await storage.executions.commit(argument)
        case "renew":
            key, expected, following = argument
            return await storage.executions.renew_lease(run_id, key, expected=expected, next=following)
        case _:
            return await storage.executions.request_cancel(run_id)


async def compare(url: str, recorder: Recorder) -> None:
    async with MobStorage.open(url, namespace=f"test-{uuid4().hex}") as storage:
        run_id = recorder.view.run.run_id
        for call, argument, answer, view in recorder.calls:
            assert await asked(storage, run_id, call, argument) is answer, call
            assert comparable(await view_of(storage, run_id)) == comparable(view), call
        stored = await storage.events.replay_all()
        assert [event.kind for event in stored] == recorder.events
        assert [event.cursor for event in stored] == list(range(1, len(stored) + 1))
        work = await storage.executions.take_due(max_runs=9, max_executions=99, keep=LONG_LEASE)
        assert not any((work.runs, work.executions)), "a run that is over is still due"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    definition=mobs(EVERYTHING),
    random=st.randoms(use_true_random=False),
    members=st.integers(0, 3),
    mood=st.integers(0, 1000),
    cancel=st.booleans(),
)
def test_the_store_does_what_its_double_does(
    server_url: str, definition: MobDefinition, random: Random, members: int, mood: int, cancel: bool
) -> None:
    recorder = Recorder()
    workers = Interleaving(definition, moody(mood), random, members, 3, cancel=cancel, store=recorder)
    workers.to_end()
    asyncio.run(compare(server_url, recorder))


async def change_flow_state(storage: MobStorage, view: RunView) -> None:
    state = view.run.flow_state
    changed = state.model_copy(update={"escalation_threshold": 7})
    assert await storage.runs.cas_flow_state(view.run.run_id, expected=state, next=changed)


async def change_status(storage: MobStorage, view: RunView) -> None:
    assert await storage.runs.cas_run_status(view.run.run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.CANCELED)


async def change_frame(storage: MobStorage, view: RunView) -> None:
    frame_id = next(name for name in view.run.frames if name.endswith("-root"))
    frame = view.run.frames[frame_id]
    state = frame.kernel_state.model_copy(update={"last_admitted_node": "other"})
    changed = frame.model_copy(update={"kernel_state": state})
    assert await storage.runs.cas_frame_state(view.run.run_id, frame_id=frame_id, expected=frame, next=changed)


async def change_loop(storage: MobStorage, view: RunView) -> None:
    [(loop_id, snapshot)] = view.run.loops.items()
    state = snapshot.kernel_state.model_copy(update={"max_iterations": 9})
    changed = snapshot.model_copy(update={"kernel_state": state})
    await storage.runs.upsert_loop_snapshot(view.run.run_id, loop_instance_id=loop_id, snapshot=changed)


async def renew(storage: MobStorage, view: RunView, key: ExecutionKey) -> bool:
    execution = view.executions[key]
    assert execution.lease is not None
    later = execution.lease.model_copy(update={"expires_at": execution.lease.expires_at + LONG_LEASE})
    renewed = execution.model_copy(update={"lease": later})
    return await storage.executions.renew_lease(view.run.run_id, key, expected=execution, next=renewed)


async def change_execution(storage: MobStorage, view: RunView) -> None:
    assert await renew(storage, view, keys_of(view, "in")[1])


async def change_execution_that_stays(storage: MobStorage, view: RunView) -> None:
    """Of the settled execution's step, which its result does not decide yet."""
    assert await renew(storage, view, keys_of(view, "a")[1])


async def ask_to_cancel(storage: MobStorage, view: RunView) -> None:
    assert await storage.executions.request_cancel(view.run.run_id)


Change = Callable[[MobStorage, RunView], Awaitable[None]]


@pytest.mark.parametrize(
    ("change", "settles"),
    [
        (change_flow_state, "in"),
        (change_status, "in"),
        (change_frame, "b"),
        (change_loop, "in"),
        (change_execution, "in"),
        (change_execution_that_stays, "a"),
        (ask_to_cancel, "a"),
    ],
)
async def test_a_commit_is_lost_when_what_it_is_based_on_has_changed(
    storage: MobStorage, change: Change, settles: str
) -> None:
    run_id = await started(storage)
    for name in ("a", "b", "in"):
        for key in keys_of(await view_of(storage, run_id), name):
            assert await storage.executions.commit(claimed(await view_of(storage, run_id), key))
    for name in ("b", "in"):  # one target of each is done, so that the other one decides the step
        view = await view_of(storage, run_id)
        assert await storage.executions.commit(settled(view, keys_of(view, name)[0]))
    view = await view_of(storage, run_id)
    key = keys_of(view, settles)[0 if settles == "a" else 1]
    transition = settled(view, key)

    await change(storage, view)
    changed, events = await view_of(storage, run_id), await storage.events.replay_all()
    assert not await storage.executions.commit(transition)
    assert replace(await view_of(storage, run_id), now=NOON) == replace(changed, now=NOON)
    assert await storage.events.replay_all() == events


async def test_a_commit_that_nothing_disturbs_is_won_once(storage: MobStorage) -> None:
    run_id = await started(storage)
    view = await view_of(storage, run_id)
    transition = claimed(view, keys_of(view, "a")[0])
    assert await storage.executions.commit(transition)
    assert not await storage.executions.commit(transition)


async def test_two_results_of_one_step_cannot_pass_each_other(storage: MobStorage) -> None:
    run_id = await started(storage)
    for key in keys_of(await view_of(storage, run_id), "a"):
        assert await storage.executions.commit(claimed(await view_of(storage, run_id), key))
    view = await view_of(storage, run_id)
    first, second = (settled(view, key) for key in keys_of(view, "a"))
    assert await asyncio.gather(*map(storage.executions.commit, (first, second))) in ([True, False], [False, True])


async def test_a_lease_is_renewed_by_who_knows_it(storage: MobStorage) -> None:
    run_id = await started(storage)
    key = keys_of(await view_of(storage, run_id), "a")[0]
    assert await storage.executions.commit(claimed(await view_of(storage, run_id), key))
    view = await view_of(storage, run_id)
    assert await renew(storage, view, key)
    assert not await renew(storage, view, key), "the lease is not what was read any more"
    assert await renew(storage, await view_of(storage, run_id), key)
    view = await view_of(storage, run_id)
    await change_status(storage, view)
    assert not await renew(storage, view, key), "the run is over"


async def take(storage: MobStorage, runs: int = 0, executions: int = 0, **options: Any) -> Any:
    return await storage.executions.take_due(
        max_runs=runs, max_executions=executions, **{"keep": LONG_LEASE, **options}
    )


async def test_what_is_due_is_spread_over_those_who_ask(storage: MobStorage, other_storage: MobStorage) -> None:
    run_id = await started(storage, mob({"a": step()}), worker=10)
    shares = await asyncio.gather(*(take(one, executions=4) for one in (storage, other_storage, storage)))
    taken = [work for share in shares for work in share.executions]
    assert sorted(len(share.executions) for share in shares) == [2, 4, 4]
    assert len(set(taken)) == 10
    assert {run for run, _ in taken} == {run_id}
    assert (await take(storage, executions=4)).executions == ()


async def test_what_was_taken_and_not_done_comes_back(storage: MobStorage) -> None:
    run_id = await Fleet(storage, TWO_STEPS, {"*": print}).start(FLOW)
    keep = timedelta(milliseconds=30)
    first = await take(storage, runs=1, keep=keep)
    assert first.runs == (run_id,)
    assert first.next_run_at is not None
    assert first.next_run_at - first.now == keep
    again = first
    while not again.runs:
        again = await take(storage, runs=1, keep=keep)
    assert again.runs == (run_id,)


async def test_times_of_executions_follow_their_leases(storage: MobStorage) -> None:
    run_id = await started(storage, mob({"a": step()}), worker=1)
    [(_, key)] = (await take(storage, executions=1)).executions
    view = await view_of(storage, run_id)
    assert await storage.executions.commit(claimed(view, key))
    lease = (await view_of(storage, run_id)).executions[key].lease
    assert lease is not None
    due = (await take(storage)).next_execution_at
    assert timedelta(0) <= due - lease.expires_at < timedelta(milliseconds=1)
    assert await storage.executions.commit(settled(await view_of(storage, run_id), key))
    work = await take(storage, runs=9, executions=9)
    assert (work.runs, work.executions, work.next_run_at, work.next_execution_at) == ((), (), None, None)


async def test_an_expired_lease_is_due_to_everybody(storage: MobStorage) -> None:
    run_id = await started(storage, mob({"a": step()}), worker=1)
    view = await view_of(storage, run_id)
    [key] = view.executions
    assert await storage.executions.commit(claimed(view, key, timedelta(milliseconds=20)))
    work = await take(storage, executions=1)
    while not work.executions:
        work = await take(storage, executions=1)
    transition = claimed(await view_of(storage, run_id), key)
    assert await storage.executions.commit(transition)
    execution = (await view_of(storage, run_id)).executions[key]
    assert (execution.status, execution.fencing_token, execution.lost) == (ExecutionStatus.LEASED, 2, 1)


async def test_only_roles_that_are_served_are_taken(storage: MobStorage) -> None:
    roles = ("rev", "reviewer", "rev-2", "worker")
    steps = {f"s{number}": step(role=role) for number, role in enumerate(roles)}
    run_id = await started(storage, mob(steps), worker=1)
    view = await view_of(storage, run_id)

    async def taken(*served: str) -> list[str]:
        work = await take(storage, executions=9, roles=served)
        return sorted(view.executions[key].role for _, key in work.executions)

    assert await taken("rev", "other") == ["rev"]
    assert await taken("rev", "rev-2") == ["rev-2"]
    work = await take(storage, executions=9)
    assert sorted(view.executions[key].role for _, key in work.executions) == ["reviewer", "worker"]


async def test_the_same_key_gives_the_same_run(storage: MobStorage, other_storage: MobStorage) -> None:
    fleets = [Fleet(one, TWO_STEPS, {"*": print}) for one in (storage, other_storage)]
    keyed = await asyncio.gather(*(fleets[n % 2].start(FLOW, {"n": n}, "build-4711") for n in range(10)))
    [run_id] = set(keyed)
    assert await fleets[0].start(FLOW, None, "build-4711") == run_id
    assert await fleets[0].start(FLOW, None, "build-4712") != run_id
    assert await fleets[0].start(FLOW) != await fleets[0].start(FLOW)
    assert len(await storage.runs.list_runs("mob")) == 4


async def test_a_key_belongs_to_a_mob_and_a_flow(storage: MobStorage) -> None:
    one, other = mob({"a": step()}), mob({"a": step()}).model_copy(update={"id": "other"})
    ids = [await Fleet(storage, definition, {"*": print}).start(FLOW, None, "key") for definition in (one, other)]
    assert len(set(ids)) == 2


async def test_cancel_of_a_run_that_is_over_or_unknown(storage: MobStorage) -> None:
    fleet = Fleet(storage, TWO_STEPS, {"*": print})
    run_id = await started(storage)
    assert await fleet.cancel(run_id) is True
    assert await fleet.cancel(run_id) is True
    assert await storage.executions.commit(must(engine.advance(await view_of(storage, run_id), TWO_STEPS)))
    assert await fleet.cancel(run_id) is False
    with pytest.raises(NotFoundError):
        await fleet.cancel(str(uuid4()))
    with pytest.raises(ValidationError, match="'nonsense'"):
        await fleet.cancel("nonsense")


async def test_a_request_to_cancel_makes_the_run_due(storage: MobStorage) -> None:
    run_id = await started(storage)
    assert (await take(storage, runs=1)).runs == ()
    await storage.executions.request_cancel(run_id)
    assert (await take(storage, runs=1)).runs == (run_id,)


async def test_a_run_that_no_fleet_started_is_not_driven(storage: MobStorage) -> None:
    run = new_run()
    await storage.runs.create_run(run)
    with pytest.raises(NotFoundError, match=f"{run.run_id} was not started by a fleet"):
        await storage.executions.load(run.run_id)
    assert (await take(storage, runs=1)).runs == ()


async def test_what_does_not_exist(storage: MobStorage) -> None:
    assert await storage.executions.load(str(uuid4())) is None
    assert await storage.executions.status(str(uuid4())) is None
    with pytest.raises(NotFoundError, match="no definition has the digest abc"):
        await storage.executions.get_definition("abc")
    with pytest.raises(NotFoundError):
        await Fleet(storage, TWO_STEPS, {"*": print}).wait(str(uuid4()))


async def test_the_definition_is_kept_with_the_run(storage: MobStorage) -> None:
    run_id = await started(storage)
    digest = (await view_of(storage, run_id)).launch.definition
    kept = await storage.executions.get_definition(digest)
    assert kept.model_dump_json() == TWO_STEPS.model_dump_json()


async def test_start_and_cancel_wake_those_who_listen(storage: MobStorage, other_storage: MobStorage) -> None:
    fleet = Fleet(other_storage, TWO_STEPS, {"*": print})
    async with storage.executions.listen() as bell:
        assert await bell.wait(20), "it does not say that it hears"
        run_id = await fleet.start(FLOW)
        assert await bell.wait(20)
        await fleet.cancel(run_id)
        assert await bell.wait(20)
        transition = must(engine.advance(await view_of(storage, run_id), TWO_STEPS))
        assert await other_storage.executions.commit(transition)
        assert await bell.wait(20)


async def test_the_flow_s_time_counts_from_its_start_by_the_server_s_clock(storage: MobStorage) -> None:
    definition = mob({"a": step()}, limits={"max_flow_duration_ms": 60_000})
    run_id = await Fleet(storage, definition, {"*": print}).start(FLOW)
    view = await view_of(storage, run_id)
    assert view.deadline == view.launched_at + timedelta(minutes=1)
    assert view.launched_at <= view.now
    assert await storage.executions.commit(must(engine.advance(view, definition)))
    due = (await take(storage)).next_run_at
    assert due is not None
    assert timedelta(0) <= due - view.deadline < timedelta(milliseconds=1)


async def test_events_come_with_the_transition_and_end_with_the_terminal_one(storage: MobStorage) -> None:
    run_id = await started(storage, mob({"a": step()}), worker=1)
    [key] = (await view_of(storage, run_id)).executions
    assert await storage.executions.commit(claimed(await view_of(storage, run_id), key))
    assert await storage.executions.commit(settled(await view_of(storage, run_id), key))
    assert [told(event.kind) for event in await storage.events.replay_all()] == [
        "flow_started",
        "step_dispatched a@worker-1",
        "step_target_completed a@worker-1",
        "step_completed a",
        "flow_completed",
    ]
    run = await storage.runs.get_run(run_id)
    assert run is not None
    assert run.completed_at is not None
    assert await storage.executions.status(run_id) is MobRunStatus.COMPLETED


async def test_a_flow_that_the_log_has_ended_already_is_not_ended_again(storage: MobStorage) -> None:
    run_id = await started(storage)
    ended = NewMobEvent(mob_id="mob", kind=FlowCanceled(run_id=run_id, flow_id=FLOW))
    await storage.events.append(ended)
    await storage.executions.request_cancel(run_id)
    assert await storage.executions.commit(must(engine.advance(await view_of(storage, run_id), TWO_STEPS)))
    story = [told(event.kind) for event in await storage.events.replay_all()]
    assert story == ["flow_started", "flow_canceled"]


async def test_a_renewed_lease_is_due_later(storage: MobStorage) -> None:
    run_id = await started(storage, mob({"a": step()}), worker=1)
    [key] = (await view_of(storage, run_id)).executions
    assert await storage.executions.commit(claimed(await view_of(storage, run_id), key))
    before = (await take(storage)).next_execution_at
    assert await renew(storage, await view_of(storage, run_id), key)
    assert (await take(storage)).next_execution_at == before + LONG_LEASE
