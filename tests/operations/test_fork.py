"""A run is forked: what stands before is carried over, the rest runs anew, and the old run stays as it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob.codec.definitions import digests_of
from redis_mob.errors import CasConflictError, DefinitionError, NotFoundError, SerializationError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH
from redis_mob.fleet.step_context import StepContext
from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.conditions import EqCondition, GtCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import DispatchMode, OnTimeout
from redis_mob.models.run import MobRun
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.json_values import nested
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step, wait
from tests.fleet.simulation import told
from tests.fleet.working import loaded, whole
from tests.operations.scenes import CHAIN, failed_chain

NO_RETRY = {"max_step_retries": 0}
UNKNOWN = "0191a6a0-0000-4000-8000-000000000001"
PAID = mob({"research": step(), "write": step("research"), "publish": step("write")}, limits=NO_RETRY)


@dataclass
class Team:
    """Handlers that count their calls; steps that are `broken` fail. Each gives what `answer` says."""

    admin: FleetAdmin
    fleet: Fleet
    storage: MobStorage
    broken: set[str]
    answer: Callable[[StepContext], Any] = lambda ctx: f"{ctx.step_id} of {ctx.member}"
    calls: Counter[str] = field(default_factory=Counter[str])
    ended_before: set[str] = field(default_factory=set[str])

    def __call__(self, ctx: StepContext) -> Any:
        # a thread may begin a call of a run that has just failed
        if ctx.run_id not in self.ended_before:
            self.calls[ctx.step_id] += 1
        if ctx.step_id in self.broken:
            raise ConnectionError("the service is down")
        return self.answer(ctx)

    async def run(self, params: Any = None) -> MobRun:
        return await self.ended(await self.fleet.start(FLOW, params))

    async def fork(self, run: MobRun, from_step: str | None = None, **more: Any) -> MobRun:
        """The end of a fork; `calls` are those of the fork alone."""
        self.calls.clear()
        self.ended_before.add(run.run_id)
        forked = await self.ended(await self.admin.fork(run.run_id, from_step, **more))
        assert reconcile(await whole(self.storage, forked.run_id), (more.get("definition") or self.definition)) == ()
        return forked

    async def ended(self, run_id: str) -> MobRun:
        async with asyncio.timeout(LONG):
            return await self.fleet.wait(run_id)

    @property
    def definition(self) -> Any:
        return self.fleet_definition.flows[FLOW]

    fleet_definition: MobDefinition = field(init=False)


@asynccontextmanager
async def team(
    storage: MobStorage,
    definition: MobDefinition,
    *broken: str,
    members: int = 1,
    answer: Callable[[StepContext], Any] | None = None,
) -> AsyncGenerator[Team]:
    made: list[Team] = []
    fleet = Fleet(storage, definition, {"*": lambda ctx: made[0](ctx)}, members={"worker": members})
    made.append(Team(FleetAdmin(storage), fleet, storage, set(broken)))
    made[0].fleet_definition = definition
    if answer is not None:
        made[0].answer = answer
    async with fleet.working():
        yield made[0]


async def story(storage: MobStorage, run_id: str) -> list[str]:
    events = [event.kind for event in await storage.events.replay_all()]
    return [told(kind) for kind in events if getattr(kind, "run_id", None) == run_id]


@pytest.mark.parametrize("from_step", [None, "publish"])
async def test_what_was_paid_for_is_not_called_again(storage: MobStorage, from_step: str | None) -> None:
    async with team(storage, PAID, "publish", members=2) as crew:
        old = await crew.run({"topic": "ink"})
        assert old.status == "failed"
        before = await whole(storage, old.run_id)
        crew.broken.clear()
        new = await crew.fork(old, from_step)
        assert (new.status, crew.calls) == ("completed", {"publish": 2})
        assert new.activation_params == {"topic": "ink"}
        assert new.output("write") == old.output("write")
        assert new.outputs("write") == {f"worker-{n}": f"write of worker-{n}" for n in (1, 2)}
        told_of = await story(storage, new.run_id)
        assert told_of[:3] == ["flow_started", "step_completed research", "step_completed write"]
        of_members = [
            f"{what} publish@worker-{n}" for what in ("step_dispatched", "step_target_completed") for n in (1, 2)
        ]
        assert sorted(told_of[3:-2]) == of_members
        assert told_of[-2:] == ["step_completed publish", "flow_completed"]
        assert await whole(storage, old.run_id) == before


async def test_a_run_that_completed_runs_anew_from_a_step(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        old = await crew.run()
        crew.answer = lambda ctx: f"{ctx.step_id} anew"
        new = await crew.fork(old, "write")
        assert crew.calls == {"write": 1, "publish": 1}
        given = {name: value["worker-1"] for name, value in new.root_step_outputs.items()}
        assert given == {"research": "research of worker-1", "write": "write anew", "publish": "publish anew"}
        third = await crew.fork(new, "publish")
        assert crew.calls == {"publish": 1}
        assert third.root_step_outputs == new.root_step_outputs
        with pytest.raises(ValidationError, match="has completed all of its steps: name the one"):
            await crew.admin.fork(old.run_id)


async def test_a_fork_is_shown_as_one(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        old = await crew.run()
        new = await crew.fork(old, "publish")
        shown = await crew.admin.describe(new.run_id)
        assert shown.forked_from is not None
        assert (shown.forked_from.run_id, shown.forked_from.from_step) == (old.run_id, "publish")
        carried = {one.step_id: one.is_carried for _, one in shown.each_step()}
        assert carried == {"research": True, "write": True, "publish": False}
        of_old = await crew.admin.describe(old.run_id)
        assert of_old.forked_from is None
        assert not any(one.is_carried for _, one in of_old.each_step())


SHAPES = mob(
    {
        "all": step(),
        "any": step(policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE),
        "quorum": step(policy=2),
        "fan": step(dispatch_mode=DispatchMode.FAN_IN),
        "each": step(for_each="params.items"),
        "none": step(for_each="params.nothing"),
        "each_fan": step(for_each="params.items", dispatch_mode=DispatchMode.FAN_IN),
        "first": step(for_each="params.items", policy="any"),
        "end": step("all", "any", "quorum", "fan", "each", "none", "each_fan", "first", message="{{ steps.all }}"),
    },
    limits=NO_RETRY,
)


async def test_outputs_of_every_shape_are_carried_over(storage: MobStorage) -> None:
    async with team(storage, SHAPES, "end", members=11) as crew:
        old = await crew.run({"items": ["a", "b", "c"], "nothing": []})
        crew.broken.clear()
        new = await crew.fork(old)
        assert (new.status, set(crew.calls)) == ("completed", {"end"})
        whole_old, whole_new = await whole(storage, old.run_id), await whole(storage, new.run_id)
        for step_id in SHAPES.flows[FLOW].steps.keys() - {"end"}:
            assert new.output(step_id) == old.output(step_id)
            assert list(whole_new.outputs(step_id).items()) == list(whole_old.outputs(step_id).items())
        view = await loaded(storage, new.run_id)
        assert not any(one.recorded for one in view.launch.carried.frames["-root"].values())


async def test_the_deepest_output_is_carried_over(storage: MobStorage) -> None:
    async with team(storage, PAID, answer=lambda _: nested(MAX_OUTPUT_DEPTH)) as crew:
        old = await crew.run()
        assert old.status == "completed"
        assert (await crew.fork(old, "publish")).root_step_outputs == old.root_step_outputs


ROUNDS = mob(
    {"a": step(), "polish": step(policy="any"), "inner": step(policy="any"), "end": step()},
    {
        "a": node("a"),
        "outer": loop(
            "rounds",
            GtCondition(path="steps.polish", value=1),
            4,
            "a",
            polish=node("polish"),
            again=loop("again", GtCondition(path="steps.inner", value=0), 3, "polish", inner=node("inner")),
        ),
        "end": node("end", "outer"),
    },
)


async def test_a_loop_is_carried_over_with_all_its_iterations(storage: MobStorage) -> None:
    async with team(storage, ROUNDS, answer=lambda ctx: ctx.iteration) as crew:
        old = await crew.run()
        assert (old.status, crew.calls) == ("completed", {"a": 1, "polish": 3, "inner": 6, "end": 1})
        new = await crew.fork(old, "end")
        assert crew.calls == {"end": 1}
        assert new.loop_iteration_outputs == old.loop_iteration_outputs
        assert len(new.loop_iteration_ledger) == len(old.loop_iteration_ledger)
        again = await crew.fork(new, "end")
        assert (again.loop_iteration_outputs, crew.calls) == (old.loop_iteration_outputs, {"end": 1})


@pytest.mark.parametrize("name", ["rounds", "outer"])
async def test_a_loop_runs_anew_as_a_whole(storage: MobStorage, name: str) -> None:
    async with team(storage, ROUNDS, answer=lambda ctx: ctx.iteration) as crew:
        old = await crew.run()
        await crew.fork(old, name)
        assert crew.calls == {"polish": 3, "inner": 6, "end": 1}
        for inner in ("polish", "inner", "again"):
            with pytest.raises(ValidationError, match=f"'{inner}' is in loop 'rounds', which runs anew as a whole"):
                await crew.admin.fork(old.run_id, inner)


ENOUGH = EqCondition(path="params.enough", value=True)


async def test_other_params_change_no_loop_and_no_condition_of_what_is_carried_over(storage: MobStorage) -> None:
    definition = mob(
        {
            "polish": step(policy="any"),
            "extra": step(condition=EqCondition(path="params.extra", value=True)),
            "maybe": step(condition=EqCondition(path="params.maybe", value=True)),
            "other": step(condition=EqCondition(path="params.other", value=True)),
            "end": step(),
        },
        {
            "l": loop(
                "l", EqCondition(path="params.enough", value=True), 3, polish=node("polish"), extra=node("extra")
            ),
            "maybe": node("maybe"),
            "other": node("other"),
            "end": node("end", "l"),
        },
    )
    async with team(storage, definition) as crew:
        old = await crew.run({"enough": True, "maybe": True})
        assert crew.calls == {"polish": 1, "maybe": 1, "end": 1}
        new = await crew.fork(old, "end", params={"enough": False, "extra": True, "maybe": False, "other": True})
        assert (new.status, crew.calls) == ("completed", {"end": 1, "other": 1})
        assert new.activation_params == {"enough": False, "extra": True, "maybe": False, "other": True}


BRANCHES = mob(
    {"a": step(), "b": step(), "after": step(), "end": step()},
    {
        "a": node("a", branch="x"),
        "b": node("b", branch="x"),
        "after": node("after", "a", "b", join="any"),
        "end": node("end", "after"),
    },
    limits=NO_RETRY,
)


async def test_a_branch_keeps_its_winner(storage: MobStorage) -> None:
    async with team(storage, BRANCHES, "a") as crew:
        old = await crew.run()
        assert (old.status, crew.calls) == ("completed", {"a": 1, "b": 1, "after": 1, "end": 1})
        crew.broken.clear()
        new = await crew.fork(old, "end")
        assert (new.status, crew.calls) == ("completed", {"end": 1})
        assert new.output("b") == old.output("b")
        assert [str(status) for status in new.flow_state.step_status.values()].count("Skipped") == 1


async def test_a_step_that_lost_its_branch_may_be_the_one_to_run_anew(storage: MobStorage) -> None:
    async with team(storage, BRANCHES, "a") as crew:
        old = await crew.run()
        crew.broken.clear()
        new = await crew.fork(old, "a")
        assert (new.status, crew.calls) == ("completed", {"a": 1, "after": 1, "end": 1})


async def test_two_members_of_a_branch_that_completed_are_not_carried_over(storage: MobStorage) -> None:
    definition = mob(
        {name: step() for name in ("a", "b", "c", "end")},
        {"a": node("a", branch="x"), "b": node("b", branch="x"), "c": node("c"), "end": node("end", "c")},
    )
    both, begun = asyncio.Event(), list[str]()

    async def work(ctx: StepContext) -> str:
        if ctx.step_id in ("a", "b"):
            begun.append(ctx.step_id)
            if len(begun) > 1:
                both.set()
            await both.wait()
        return ctx.step_id

    fleet, admin = Fleet(storage, definition, {"worker": work}), FleetAdmin(storage)
    async with fleet.working(), asyncio.timeout(LONG):
        old = await fleet.wait(await fleet.start(FLOW))
        assert {"a", "b"} <= old.root_step_outputs.keys()
        with pytest.raises(ValidationError, match="has completed two steps of branch 'x', 'a' and 'b'"):
            await admin.fork(old.run_id, "end")
        begun.clear()
        assert (await fleet.wait(await admin.fork(old.run_id, "b"))).status == "completed"


async def test_a_wait_that_took_a_signal_has_its_payload(storage: MobStorage) -> None:
    definition = mob(
        {
            "approve": wait(),
            "late": wait(signal="never", timeout_ms=1, on_timeout=OnTimeout.CONTINUE),
            "end": step("approve", "late"),
        }
    )
    async with team(storage, definition, "end") as crew:
        run_id = await crew.fleet.start(FLOW)
        await crew.fleet.signal(run_id, "go", {"by": "anna"})
        old = await crew.ended(run_id)
        assert old.status == "failed"
        crew.broken.clear()
        new = await crew.fork(old)
        assert new.status == "completed"
        assert new.output("approve") == {"signal": "go", "payload": {"by": "anna"}, "timed_out": False}
        assert new.output("late") == old.output("late")
        assert new.outputs("approve") == (await whole(storage, old.run_id)).outputs("approve")


async def test_a_canceled_run_goes_on_as_a_fork(storage: MobStorage) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    calls: list[str] = []

    async def work(ctx: StepContext) -> str:
        calls.append(ctx.step_id)
        if ctx.step_id == "write":
            begun.set()
            await go_on.wait()
        return ctx.step_id

    fleet, admin = Fleet(storage, PAID, {"worker": work}), FleetAdmin(storage)
    async with fleet.working(), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await begun.wait()
        with pytest.raises(CasConflictError, match=f"run {run_id} is running, and only a run that is over is forked"):
            await admin.fork(run_id)
        await admin.cancel(run_id, wait=True)
        go_on.set()
        calls.clear()
        new = await fleet.wait(await admin.fork(run_id))
        assert (new.status, calls) == ("completed", ["write", "publish"])


async def test_a_run_that_was_canceled_before_it_began_runs_as_a_whole(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        later = datetime.now(UTC) + timedelta(days=1)
        run_id = await crew.fleet.start(FLOW, at=later)
        await crew.admin.terminate(run_id)
        new = await crew.fork(await crew.ended(run_id))
        assert (new.status, crew.calls) == ("completed", {"research": 1, "write": 1, "publish": 1})


async def test_another_definition_goes_on_where_the_old_one_failed(storage: MobStorage) -> None:
    other = mob(
        {"research": step(), "write": step("research"), "check": step("write"), "publish": step("check", role="press")},
        limits=NO_RETRY,
    )
    async with team(storage, PAID, "publish") as crew:
        old = await crew.run()
        crew.broken.clear()
        async with Fleet(storage, other, {"*": crew}).working():
            new = await crew.fork(old, definition=other)
            assert (new.status, crew.calls) == ("completed", {"check": 1, "publish": 1})
            assert new.outputs("publish") == {"press-1": "publish of press-1"}
            # what completed in the old flow, and comes after the named step in the new one, runs anew
            await crew.fork(new, "check", definition=other)
            assert crew.calls == {"check": 1, "publish": 1}


async def test_a_step_that_gives_another_shape_now_keeps_its_output(storage: MobStorage) -> None:
    other = mob({"research": step(policy="any"), "write": step("research"), "publish": step("write")})
    async with team(storage, PAID, members=2) as crew:
        old = await crew.run()
        new = await crew.fork(old, "publish", definition=other)
        assert (
            new.output("research")
            == old.output("research")
            == {f"worker-{n}": f"research of worker-{n}" for n in (1, 2)}
        )
        third = await crew.fork(new, "publish")
        assert third.root_step_outputs == old.root_step_outputs


async def test_a_definition_must_have_a_place_for_what_is_carried_over(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        old = await crew.run()
        lacking = mob({"research": step(), "publish": step("research")})
        with pytest.raises(ValidationError, match="has completed: it lacks step 'write'"):
            await crew.admin.fork(old.run_id, "publish", definition=lacking)
        renamed = lacking.model_copy(update={"id": "another"})
        with pytest.raises(ValidationError, match="is one of mob 'mob', not of 'another'"):
            await crew.admin.fork(old.run_id, "publish", definition=renamed)
        no_flow = lacking.model_copy(update={"flows": type(lacking.flows)({"flo": lacking.flows[FLOW]})})
        with pytest.raises(NotFoundError, match="has no flow 'flow'; it has: 'flo'; did you mean 'flo'"):
            await crew.admin.fork(old.run_id, "publish", definition=no_flow)
        broken = mob({"research": step("ghost")})
        with pytest.raises(DefinitionError):
            await crew.admin.fork(old.run_id, "research", definition=broken)


async def test_a_loop_of_another_definition_must_be_the_same(storage: MobStorage) -> None:
    async with team(storage, ROUNDS, answer=lambda ctx: ctx.iteration) as crew:
        old = await crew.run()
        root = dict(ROUNDS.flows[FLOW].root_frame.nodes)
        steps = ROUNDS.flows[FLOW].steps
        fewer = mob(steps, {**root, "outer": root["outer"].model_copy(update={"max_iterations": 2})})
        with pytest.raises(ValidationError, match="loop 'rounds' had 3 iterations, and the definition allows 2"):
            await crew.admin.fork(old.run_id, "end", definition=fewer)
        body = loop("rounds", GtCondition(path="steps.polish", value=1), 4, "a", polish=node("polish"))
        other = mob({name: one for name, one in steps.items() if name != "inner"}, {**root, "outer": body})
        with pytest.raises(ValidationError, match="it lacks loop 'rounds', or has another loop there"):
            await crew.admin.fork(old.run_id, "end", definition=other)


async def test_params_must_fit_the_flow(storage: MobStorage) -> None:
    flow = PAID.flows[FLOW].model_copy(update={"params_schema_ref": '{"type": "object", "required": ["topic"]}'})
    definition = PAID.model_copy(update={"flows": type(PAID.flows)({FLOW: flow})})
    async with team(storage, definition) as crew:
        old = await crew.run({"topic": "ink"})
        with pytest.raises(ValidationError, match="params: it does not fit its schema"):
            await crew.admin.fork(old.run_id, "publish", params={})
        new = await crew.fork(old, "publish", params={"topic": "paper"})
        assert new.activation_params == {"topic": "paper"}


async def test_a_step_that_is_not_there_is_told_with_the_nearest(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    admin = FleetAdmin(storage)
    with pytest.raises(NotFoundError, match="no step 'B' to run anew from; it has: 'a', 'b', 'c'; did you mean 'b'"):
        await admin.fork(run_id, "B")
    with pytest.raises(NotFoundError, match=f"run {UNKNOWN} does not exist in namespace"):
        await admin.fork(UNKNOWN)
    assert await storage.executions.status(run_id) == "failed"


async def test_the_same_key_gives_the_same_fork(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        first = await crew.ended(await crew.fleet.start(FLOW, idempotency_key="k"))
        forks = {await crew.admin.fork(first.run_id, "publish", idempotency_key="k") for _ in range(3)}
        assert len(forks) == 1
        assert forks != {first.run_id}
        others: tuple[dict[str, Any], ...] = ({"from_step": "write"}, {"from_step": "publish", "params": 1})
        for other in others:
            with pytest.raises(ValidationError, match="idempotency_key 'k' belongs to run"):
                await crew.admin.fork(first.run_id, idempotency_key="k", **other)
        await crew.ended(*forks)
        await crew.admin.delete(*forks, keep_key=True)
        assert {await crew.admin.fork(first.run_id, "publish", idempotency_key="k")} == forks


async def test_a_fork_has_priority_release_and_members_of_the_run(storage: MobStorage) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    fleet = Fleet(storage, PAID, {}, members={"worker": 3})
    admin = FleetAdmin(storage)
    old = await fleet.start(FLOW, priority=7, release="v1")
    await admin.terminate(old)
    same = (await loaded(storage, await admin.fork(old, at=later))).launch
    of_old = (await loaded(storage, old)).launch
    assert (same.priority, same.release, same.members) == (7, "v1", of_old.members)
    other = await loaded(storage, await admin.fork(old, at=later, priority=-1, release=None))
    assert (other.launch.priority, other.launch.release) == (-1, None)
    assert abs(other.launched_at - later) < timedelta(seconds=1)


async def test_the_run_that_it_comes_from_may_be_deleted(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        old = await crew.run()
        later = datetime.now(UTC) + timedelta(seconds=0.3)
        run_id = await crew.admin.fork(old.run_id, "publish", at=later)
        await crew.admin.delete(old.run_id)
        new = await crew.ended(run_id)
        assert new.root_step_outputs == old.root_step_outputs
        await crew.admin.delete(run_id)
        for digest in digests_of(PAID):
            with pytest.raises(NotFoundError):
                await storage.executions.get_definition(digest)


async def test_a_fork_has_a_definition_of_its_own_that_its_workers_are_made_for(storage: MobStorage) -> None:
    async with team(storage, PAID) as crew:
        old = await crew.run()
        new = await crew.fork(old, "publish")
        own, forked = digests_of(PAID)
        assert [(await loaded(storage, run.run_id)).launch.definition for run in (old, new)] == [own, forked]
        assert await storage.executions.get_definition(own) == await storage.executions.get_definition(forked) == PAID
        [worker] = await storage.executions.workers()
        assert set(worker.record.definitions or ()) == {own, forked}


async def test_an_output_that_is_gone_is_told(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with team(storage, PAID) as crew:
        old = await crew.run()
        view = await loaded(storage, old.run_id)
        bare = view.run.model_copy(update={"root_step_outputs": type(view.run.root_step_outputs)()})

        async def load(_run_id: str) -> Any:
            return type(view)(bare, view.launch, {}, False, view.launched_at, view.now)

        monkeypatch.setattr(storage.executions, "load", load)
        with pytest.raises(SerializationError, match="step 'research' completed, and its output is gone"):
            await crew.admin.fork(old.run_id, "publish")


async def test_many_items_are_carried_over(storage: MobStorage) -> None:
    definition = mob({"each": step(for_each="params.items"), "end": step("each")})
    items = list(range(2_000))
    async with team(storage, definition, "end", members=3, answer=lambda ctx: ctx.item) as crew:
        old = await crew.run({"items": items})
        crew.broken.clear()
        new = await crew.fork(old)
        assert (new.status, crew.calls) == ("completed", {"end": 3})
        assert new.output("each") == items
        assert list(new.outputs("each").values()) == items


async def test_the_chain_of_another_scene_is_forked_from_the_step_that_failed(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    calls: list[str] = []
    fleet = Fleet(storage, CHAIN, {"*": lambda ctx: calls.append(ctx.step_id)})
    async with fleet.working(), asyncio.timeout(LONG):
        assert (await fleet.wait(await FleetAdmin(storage).fork(run_id, "b"))).status == "completed"
    assert calls == ["b", "c"]
