"""The simulation: its seeds hold, each of them is always the same, and what one breaks is told by a small schedule."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import pytest

from redis_mob import MobDefinition, StepContext
from redis_mob.errors import OutcomeUnknownError, ValidationError, WriteFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.simulation import SimulationError, simulate_flow
from redis_mob.testing.simulation.__main__ import main
from redis_mob.testing.simulation.decisions import CallFault, Halt, Hire, Kill, Start
from redis_mob.testing.simulation.event_loop import EndlessError, SimulatedLoop, StalledError
from redis_mob.testing.simulation.network import Network
from redis_mob.testing.simulation.processes import SimulatedProcess
from redis_mob.testing.simulation.seeds import generated_plan, simulate_plan, simulate_seed
from redis_mob.testing.simulation.shrinking import smallest_plan
from redis_mob.testing.simulation.traces import Trace
from redis_mob.testing.steps import step_context
from tests.testing.planted import retry_comes_at_once

BLOCK = 50

DIGESTS = """
from redis_mob.testing.simulation.seeds import simulate_seed
print([simulate_seed(seed).digest for seed in range(6)])
"""

FLOW = MobDefinition.from_toml("""
[mob]
id = "reviews"

[profiles]
reviewer = { model = "none" }

[flows.review.steps.review]
role = "reviewer"
message = "Review"
""")


@pytest.mark.parametrize("first", range(0, 500, BLOCK))
def test_no_seed_breaks_a_promise(first: int) -> None:
    broken = {seed: found for seed in range(first, first + BLOCK) if (found := simulate_seed(seed).violations)}
    assert broken == {}


@pytest.mark.parametrize("seed", [731, 3420, 5807, 6482, 6523, 7179])
def test_seeds_that_have_found_a_fault_of_the_fleet_hold(seed: int) -> None:
    assert simulate_seed(seed).violations == ()


def test_a_seed_is_the_same_in_each_process_with_other_hashes_of_texts() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "77")
    }
    assert printed == {f"{[simulate_seed(seed).digest for seed in range(6)]}\n"}
    assert len({simulate_seed(seed).digest for seed in range(6)}) == 6


def test_decisions_are_of_many_kinds_and_come_about() -> None:
    struck = 0
    for seed in range(20):
        plan = generated_plan(seed)
        text = "\n".join(simulate_plan(plan).lines)
        struck += sum(str(one) in text for one in plan.decisions if isinstance(one, Kill | Halt))
    assert struck > 5


def test_what_a_seed_breaks_is_told_by_its_smallest_schedule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    retry_comes_at_once(monkeypatch)
    seed = next(seed for seed in range(500) if simulate_seed(seed).violations)
    plan = generated_plan(seed)
    indices = smallest_plan(plan, simulate_plan)
    kinds = sorted(type(plan.decisions[number]).__name__ for number in indices)
    assert set(kinds) <= {"Hire", "Start", "Send"}  # no mishap is needed to see that no pause is made
    assert (kinds.count("Hire"), kinds.count("Start")) == (1, 1)
    assert main(["--seed", str(seed)]) == 1
    told = capsys.readouterr().out
    assert f"{len(indices)} of its {len(plan.decisions)} decisions are enough" in told
    only = ",".join(map(str, indices))
    assert f"--seed {seed} --only {only}" in told
    assert main(["--seed", str(seed), "--only", only]) == 1
    repeated = capsys.readouterr().out
    assert "broken: " in repeated
    assert "is to be tried again after 0.000 s" in repeated


def test_many_seeds_are_told_in_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "4", "--from", "7"]) == 0
    assert '"violations": []' in capsys.readouterr().out
    retry_comes_at_once(monkeypatch)
    assert main(["--seeds", "60", "--most-failures", "1"]) == 1
    printed = capsys.readouterr()
    assert "decisions are enough" in printed.err
    assert '"violations": []' not in printed.out


def test_a_plan_that_breaks_nothing_cannot_be_made_smaller() -> None:
    with pytest.raises(ValueError, match="the plan of seed 0 breaks nothing"):
        smallest_plan(generated_plan(0), simulate_plan)


def test_a_flow_of_a_user_is_simulated_with_its_handlers() -> None:
    calls: list[str] = []

    def plain(ctx: StepContext) -> str:
        calls.append(ctx.run_id)
        return f"{ctx.member} {ctx.params}"

    simulate_flow(FLOW, plain, params=[1], members={"reviewer": 2}, seeds=range(10), same_outputs=True)
    assert len(calls) >= 20


def test_a_flow_whose_outputs_depend_on_mishaps_is_told() -> None:
    async def attempt(ctx: StepContext) -> int:
        await asyncio.sleep(4)
        return ctx.attempt

    simulate_flow(FLOW, attempt, seeds=range(20))
    with pytest.raises(SimulationError, match="decisions are enough") as told:
        simulate_flow(FLOW, attempt, seeds=range(200), same_outputs=True)
    assert f"seeds=[{told.value.seed}]" in str(told.value)
    assert "is killed before" in str(told.value) or "stands still" in str(told.value) or "call " in str(told.value)


def test_a_run_that_does_not_end_is_told() -> None:
    async def sleeping(_ctx: StepContext) -> None:
        await asyncio.sleep(20)

    with pytest.raises(SimulationError, match="is not over after 5 s"):
        simulate_flow(FLOW, sleeping, seeds=[0], timeout=timedelta(seconds=5))


def _loop(most_turns: int = 1_000) -> SimulatedLoop:
    return SimulatedLoop(Random(1), most_turns)


def _process(loop: SimulatedLoop, name: str, skew: float = 0.0) -> SimulatedProcess:
    process = SimulatedProcess(name, "seed", loop.time, skew)
    loop.add(process)
    return process


def test_a_process_keeps_its_order_and_processes_take_turns() -> None:
    loop, seen = _loop(), list[tuple[str, int]]()
    one, other = _process(loop, "one"), _process(loop, "other")

    async def meanwhile() -> None:
        for process in (one, other):
            for number in range(20):
                loop.call_soon(seen.append, (process.name, number), context=process.context())
        await asyncio.sleep(3600)

    one.context().run(loop.run_until_complete, meanwhile())
    loop.close()
    for name in ("one", "other"):
        assert [number for who, number in seen if who == name] == list(range(20))
    assert seen != sorted(seen)
    assert loop.time() == 3600


def test_a_process_that_stands_still_wakes_up_with_its_timers_overdue() -> None:
    loop, woken = _loop(), list[float]()
    process = _process(loop, "one")

    async def sleep() -> None:
        process.sleeps_until = 9.0
        await asyncio.sleep(2)
        woken.append(loop.time())

    process.context().run(loop.run_until_complete, sleep())
    loop.close()
    assert woken == [9.0]


def test_a_simulation_that_cannot_go_on_and_one_without_end_are_told() -> None:
    async def forever() -> None:
        for _ in count():
            await asyncio.sleep(0)

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    for work, error in ((forever, EndlessError), (never, StalledError)):
        loop = _loop()
        run = _process(loop, "one").context().run
        task = run(loop.create_task, work())
        with pytest.raises(error):
            run(loop.run_until_complete, task)
        task.cancel()
        loop.most_turns += 1_000
        with pytest.raises(asyncio.CancelledError):
            run(loop.run_until_complete, task)
        loop.close()


def test_a_thread_is_refused() -> None:
    loop = _loop()

    async def threaded() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(ValidationError, match="a simulation has no threads"):
        _process(loop, "one").context().run(loop.run_until_complete, threaded())
    loop.close()


class _Executed:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def executed(self, process: SimulatedProcess, call: str, arguments: tuple[Any, ...], result: Any) -> None:
        del process, arguments, result
        self.calls.append(call)


@pytest.mark.parametrize(
    ("fault", "is_executed", "error"),
    [
        (CallFault.SLOW, 1, None),
        (CallFault.SLOW_REPLY, 1, None),
        (CallFault.LOST, 0, WriteFailedError),
        (CallFault.LOST_REPLY, 1, OutcomeUnknownError),
        (CallFault.LATE, 0, OutcomeUnknownError),
        (CallFault.REPEATED, 1, None),
    ],
)
def test_what_becomes_of_a_call_that_goes_wrong(
    fault: CallFault, is_executed: int, error: type[Exception] | None
) -> None:
    loop, executed = _loop(), _Executed()
    client, server = _process(loop, "client", skew=50.0), _process(loop, "storage")

    async def call() -> None:
        async with MobStorage.open("memory:", namespace="one-call") as storage:
            network = Network(loop, storage, server, executed, Trace(loop.time), faults={"client": {1: (fault, 7.0)}})
            reached = network.storage_for(client)
            begun, raised = loop.time(), None
            try:
                await reached.records.insert("kind", "name", 1)
            except Exception as refused:  # noqa: BLE001
                raised = type(refused)
            assert raised is error
            assert loop.time() - begun >= 7.0
            assert len(executed.calls) == is_executed
            await asyncio.sleep(10)
            assert len(executed.calls) == (0 if fault is CallFault.LOST else 1)
            client.is_cut_off = True
            with pytest.raises(WriteFailedError):
                await reached.records.insert("kind", "name", 2)

    client.context().run(loop.run_until_complete, call())
    loop.close()


def test_plans_name_workers_runs_and_what_happens_to_them() -> None:
    plan = generated_plan(3)
    assert any(isinstance(one, Hire) for one in plan.decisions)
    assert any(isinstance(one, Start) for one in plan.decisions)
    calm = plan.without_mishaps()
    assert {type(one).__name__ for one in calm.decisions} <= {"Hire", "Start", "Send"}
    assert plan.only({0}).decisions == plan.decisions[:1]
    assert all(str(one) for one in plan.decisions)
    assert step_context().attempt == 1  # outside of a simulation handlers are called as ever
