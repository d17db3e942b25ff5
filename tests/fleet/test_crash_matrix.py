"""A process dies at one of its calls of the storage, at any: the run ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import count
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from redis_mob import StepFailed
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.base import FrozenDict
from redis_mob.models.conditions import GtCondition
from redis_mob.models.flow_spec import FlowSpec, RetrySpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.testing.waiting import LONG
from tests.fleet.crash_matrix import Answer, Scenario, Stage, World, answers_until, opened
from tests.fleet.everything import EVERYTHING, LOOP_OUTPUTS, ROOT_OUTPUTS, STATUSES, output, single
from tests.fleet.flows import loop, mob, node, runs, step, supervisor, wait, with_flows
from tests.fleet.mortal import NEVER, Death, Process, Side
from tests.fleet.paid_calls import CALLS, PAYS, is_counted_once, pays
from tests.robustness.seeds import new_seed


def answers(_world: World) -> Answer:
    """Each member answers with its step and round; some fail, `flaky` in its first attempt that comes to an end."""

    def answer(ctx: StepContext) -> Any:
        if ctx.step_id == "left" or (ctx.step_id == "vote" and ctx.member == "worker-3"):
            raise StepFailed("never", retryable=False)
        if ctx.step_id == "flaky" and ctx.previous_failure is None:
            raise ValueError("not the first time")
        return output(ctx.step_id, ctx.iteration)

    return answer


def is_complete(run: MobRun) -> None:
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs == ROOT_OUTPUTS
    assert run.loop_iteration_outputs == LOOP_OUTPUTS
    assert run.flow_state.step_status == STATUSES
    assert len(run.loop_iteration_ledger) == 2 + 4


ONCE = dict.fromkeys(("gather", "vote", "merge", "each", "right", "join", "flaky", "end"), 1)
TWICE = {"flaky": 2}
COMPLETES = Scenario(
    EVERYTHING, answers, is_complete, completed={"left": 0, "plan": 2, "parts": 2, "polish": 4, **ONCE}, attempts=TWICE
)


def fails_in_the_second_round(world: World) -> Answer:
    """One step within the loops fails for good, after a round that went well."""
    usual = answers(world)

    def answer(ctx: StepContext) -> Any:
        if ctx.step_id == "plan" and ctx.iteration == 1:
            raise StepFailed("out of paper", retryable=False)
        return usual(ctx)

    return answer


def is_failed(run: MobRun) -> None:
    assert run.status is MobRunStatus.FAILED
    assert [row.reason for row in run.failure_ledger if row.step_id == "plan"] == ["out of paper"]
    assert run.loop_iteration_outputs["outer"] == (LOOP_OUTPUTS["outer"][0],)
    assert run.root_step_outputs == {step: value for step, value in ROOT_OUTPUTS.items() if step != "end"}


FAILS = Scenario(
    EVERYTHING,
    fails_in_the_second_round,
    is_failed,
    completed={"left": 0, "plan": 1, "parts": 1, "polish": 2, **ONCE, "end": 0},
    attempts=TWICE,
)


def tells_its_supervisor(world: World) -> Answer:
    """The steps fail as above; the supervisor hears of one, and cannot be told of the other."""
    usual = fails_in_the_second_round(world)

    def answer(ctx: StepContext) -> Any:
        if ctx.escalation is None:
            return usual(ctx)
        if ctx.step_id == "left":
            raise StepFailed("the pager is down", retryable=False)
        return "paged"

    return answer


ESCALATES = Scenario(
    EVERYTHING.model_copy(update={"supervisor": supervisor()}),
    tells_its_supervisor,
    is_failed,
    completed=FAILS.completed,
    attempts=TWICE,
    told={"supervisor_escalation plan": 1, "step_target_failed left@supervisor:lead-1": 1, "flow_failed": 1},
)


def waits_for_the_request(world: World) -> Answer:
    """A step within the loops waits until the caller has asked for the end of the run."""
    usual = answers(world)

    async def wait() -> str:
        world.is_reached.set()
        await world.is_asked.wait()
        return "late"

    def answer(ctx: StepContext) -> Any:
        return wait() if ctx.step_id == "polish" else usual(ctx)

    return answer


async def cancel_meanwhile(fleet: Fleet, run_id: str, world: World) -> None:
    await world.is_reached.wait()
    await fleet.cancel(run_id)
    world.is_asked.set()


def is_canceled(run: MobRun) -> None:
    assert run.status is MobRunStatus.CANCELED
    assert {row.step_id for row in run.failure_ledger} <= {"left", "vote"}
    assert run.root_step_outputs == {step: ROOT_OUTPUTS[step] for step in run.root_step_outputs}
    # the output may have come before the request was carried out
    assert run.loop_iteration_outputs.get("inner", ()) in ((), ({"polish": "late"},))


IS_CANCELED = Scenario(EVERYTHING, waits_for_the_request, is_canceled, ask=cancel_meanwhile, attempts=TWICE)

WAITS_TWICE = mob(
    {"ask": wait(), "act": single(), "beside": step()},
    {
        "beside": node("beside"),
        "l": loop("l", GtCondition(path="steps.act.round", value=0), 3, ask=node("ask"), act=node("act", "ask")),
    },
)
PAYLOADS = ("first", {"second": [2]})


async def send_signals(fleet: Fleet, run_id: str, _world: World) -> None:
    """The signals of the run, in their order, each under a key."""
    for number, payload in enumerate(PAYLOADS):
        await fleet.signal(run_id, "go", payload, idempotency_key=str(number))


def took_its_signals(run: MobRun) -> None:
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    rounds = run.loop_iteration_outputs["l"]
    assert tuple(one["ask"]["payload"] for one in rounds) == PAYLOADS
    assert [one["act"] for one in rounds] == [output("act", 0), output("act", 1)]


GETS_SIGNALS = Scenario(
    WAITS_TWICE, answers, took_its_signals, ask=send_signals, completed={"ask": 2, "act": 2, "beside": 1}
)

HAS_CHILDREN = with_flows(
    mob(
        {
            "list": single(),
            "each": runs("inner", "list", for_each="steps.list", max_parallel=2, params={"n": "{{ item }}"}),
            "again": runs("nested", retry=RetrySpec(attempts=2, first=0.001), params={"n": 7}),
            "end": single("each", "again"),
        }
    ),
    inner={"square": single()},
    nested=FlowSpec(
        steps=FrozenDict(
            {"sometimes": single(), "deep": runs("inner", "sometimes", params="{{ params }}"), "last": single("deep")}
        ),
        output="steps.deep.square",
    ),
)


def answers_of_children(world: World) -> Answer:
    """The first run of `nested` fails, each time that its step is executed."""

    def answer(ctx: StepContext) -> Any:
        if ctx.step_id == "list":
            return [1, 2, 3]
        if ctx.step_id == "square":
            return ctx.params["n"] ** 2
        if ctx.step_id == "sometimes" and world.known.setdefault("first", ctx.run_id) == ctx.run_id:
            raise StepFailed("not in the first run", retryable=False)
        return ctx.step_id

    return answer


def children_completed(run: MobRun) -> None:
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    squares = [{"square": 1}, {"square": 4}, {"square": 9}]
    assert run.root_step_outputs == {"list": [1, 2, 3], "each": squares, "again": 49, "end": "end"}


def are_the_children(children: Sequence[MobRun]) -> None:
    """Each child that was needed, and no other one."""
    found = Counter((child.flow_id, str(child.status)) for child in children)
    assert found == {("inner", "completed"): 4, ("nested", "completed"): 1, ("nested", "failed"): 1}


RUNS_CHILDREN = Scenario(
    HAS_CHILDREN,
    answers_of_children,
    children_completed,
    completed={"list": 1, "each": 1, "again": 1, "end": 1},
    check_children=are_the_children,
)

LEAVES_CHILDREN = with_flows(
    mob({"each": runs("inner", for_each="params", params={"n": "{{ item }}"}), "beside": step()}),
    inner={"polish": single()},
)


def the_children_ended(children: Sequence[MobRun]) -> None:
    assert len(children) <= 3
    assert all(child.status.is_terminal for child in children)


def is_canceled_with_its_children(run: MobRun) -> None:
    assert run.status is MobRunStatus.CANCELED, run.failure_ledger


LEAVES_ITS_CHILDREN = Scenario(
    LEAVES_CHILDREN,
    waits_for_the_request,
    is_canceled_with_its_children,
    ask=cancel_meanwhile,
    params=[1, 2, 3],
    check_children=the_children_ended,
)

ASKS_TWICE = mob({"draft": single(), "send": single("draft"), "beside": step()})


def asks_people(world: World) -> Answer:
    """One step asks two things, one after the other, and makes a call before each."""
    usual = answers(world)

    async def asked(ctx: StepContext) -> list[str]:
        made = [await ctx.once("make", str, 1), (await ctx.ask("may I", 1)).value]
        return [*made, await ctx.once("make", str, 2), (await ctx.ask("and how", made)).value]

    def answer(ctx: StepContext) -> Any:
        return asked(ctx) if ctx.step_id == "send" else usual(ctx)

    return answer


def was_answered(run: MobRun) -> None:
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["send"] == ["1", "may I", "2", "and how"]


ASKS_PEOPLE = Scenario(
    ASKS_TWICE,
    asks_people,
    was_answered,
    ask=answers_until("and how"),
    completed={"draft": 1, "send": 1, "beside": 1},
    resumed={"send": 2},
)


def is_paid(run: MobRun) -> None:
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs == {"draft": CALLS, "beside": {f"worker-{n}": CALLS for n in (1, 2, 3)}}


DRAWS_ON_BUDGETS = Scenario(PAYS, pays, is_paid, completed={"draft": 1, "beside": 1}, check_storage=is_counted_once)

SCENARIOS = {
    "completes": COMPLETES,
    "fails": FAILS,
    "is canceled": IS_CANCELED,
    "gets signals": GETS_SIGNALS,
    "runs children": RUNS_CHILDREN,
    "leaves its children": LEAVES_ITS_CHILDREN,
    "escalates": ESCALATES,
    "asks people": ASKS_PEOPLE,
    "draws on budgets": DRAWS_ON_BUDGETS,
}

Play = Callable[[Stage, Death], Awaitable[Process]]
"""Lets a process die on a stage, and returns it when the run is over."""


async def survived(url: str, scenario: Scenario, death: Death, play: Play) -> str | None:
    """The call that a process died of, and the run came to its right end nevertheless; None if it did not die."""
    async with opened(url, f"test-{uuid4().hex}") as storage:
        try:
            async with asyncio.timeout(LONG):
                process = await play(Stage(storage, scenario), death)
        except BaseException as error:
            error.add_note(f"the process was to die at {death}")
            raise
    return process.died_of


EVERY = 1 if os.environ.get("REDIS_MOB_ALL_POINTS") else 6
"""Of so many calls that follow each other one is a point, another one in each run of the tests: each point is a whole
run of a flow, and all of them together, which `make robustness` tries, take ten minutes."""


async def points_of(name: str, play: Play, methods: Collection[str]) -> Counter[str]:
    """How many points of a run were survived, by method: both sides of each call that is chosen.

    Among them are calls of these methods. Which calls come last depends on the time that things take; so the first call
    of a method that was not among them is a point of its own.
    """
    points = Counter[str]()
    first = Random(new_seed()).randint(1, EVERY)
    for death in (Death(number, side) for number in count(first, EVERY) for side in Side):
        method = await survived("memory:", SCENARIOS[name], death, play)
        if method is None:
            break
        points[method] += 1
    for method in sorted(method for method in methods if points[method] < 2):
        for side in Side:
            assert await survived("memory:", SCENARIOS[name], Death(1, side, method), play) == method
            points[method] += 1
    print(f"a run that {name} survived {points.total()} points: {dict(points)}")
    return points


BY_WORKERS = {
    *("join_workers", "keep_alive", "renew_worker", "listen", "take_due", "load", "get_definition", "commit"),
    *("effect", "leave_workers"),
}
BY_CALLERS = {"start_run", "listen", "status", "load", "workers", "get_run"}
"""What each must call, so that it is a point of every run."""


def by_workers(name: str) -> set[str]:
    """What a worker must call in the run of a scenario."""
    return BY_WORKERS | ({"reserve", "pay", "keep", "settle"} if name == "draws on budgets" else set())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "concurrency"),
    [
        ("completes", 1),
        ("completes", 16),
        ("fails", 3),
        ("is canceled", 3),
        ("gets signals", 3),
        ("escalates", 3),
        ("asks people", 3),
        ("draws on budgets", 3),
        ("runs children", 3),
        ("leaves its children", 3),
    ],
)
async def test_another_worker_goes_on_from_every_call_of_one_that_dies(name: str, concurrency: int) -> None:
    points = await points_of(
        name, lambda stage, death: stage.survive_worker(death, concurrency, in_company=False), by_workers(name)
    )
    assert points.total() >= 40 // EVERY


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "concurrency"),
    [
        ("completes", 3),
        ("fails", 16),
        ("is canceled", 3),
        ("gets signals", 3),
        ("escalates", 3),
        ("asks people", 3),
        ("draws on budgets", 3),
        ("runs children", 3),
        ("leaves its children", 3),
    ],
)
async def test_a_worker_that_is_not_alone_may_die_at_every_call(name: str, concurrency: int) -> None:
    points = await points_of(
        name, lambda stage, death: stage.survive_worker(death, concurrency, in_company=True), by_workers(name)
    )
    assert points.total() >= 30 // EVERY


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_caller_that_dies_starts_its_run_again_and_finds_it(name: str) -> None:
    own = {"gets signals": {"send_signal"}, "asks people": {"answer"}}
    methods = BY_CALLERS | own.get(name, set())
    points = await points_of(name, lambda stage, death: stage.survive_caller(death, 16), methods)
    assert points.total() >= 12 // EVERY


@pytest.mark.slow
async def test_every_method_may_be_the_last_call_of_a_worker_on_a_server(server_url: str) -> None:
    """The first and the middle call of each method that a worker calls, both sides of it, several at a time."""

    async def play(stage: Stage, death: Death) -> Process:
        return await stage.survive_worker(death, 3, in_company=False)

    async with opened(server_url, f"test-{uuid4().hex}") as storage:
        healthy = await play(Stage(storage, COMPLETES), NEVER)
    calls = Counter(healthy.calls)
    deaths = [
        Death(number, side, method)
        for method, times in calls.items()
        for number in sorted({1, (times + 1) // 2})
        for side in Side
    ]
    several = asyncio.Semaphore(8)

    async def one(death: Death) -> str | None:
        async with several:
            return await survived(server_url, COMPLETES, death, play)

    came = await asyncio.gather(*map(one, deaths))
    reached = Counter(method for method in came if method is not None)
    print(f"a run survived {reached.total()} points on a server, of the methods {', '.join(reached)}")
    # how often a worker calls what it calls now and then depends on the time that things take
    assert all(reached[method] == 4 for method in ("take_due", "commit", "effect"))
    assert {"load", "get_definition", "listen", "join_workers", "keep_alive", "renew_worker"} <= set(reached)
