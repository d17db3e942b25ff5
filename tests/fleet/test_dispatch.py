"""To whom a step goes, when its outcome is certain, and what the answers add up to (contract: engine-12)."""

from __future__ import annotations

import pytest

from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.fleet.transition_builder import SYSTEM_MEMBER
from redis_mob.models.flow_events import StepFailed
from redis_mob.models.flow_spec import DispatchMode
from redis_mob.models.run_status import MobRunStatus
from tests.fleet.flows import mob, step
from tests.fleet.simulation import Simulation

ONE, IN = DispatchMode.ONE_TO_ONE, DispatchMode.FAN_IN


def begun(sim: Simulation) -> Simulation:
    assert sim.advance()
    return sim


def test_engine_case_07_one_event_per_target_and_one_for_the_step() -> None:
    sim = begun(Simulation(mob({"a": step()}), worker=3))
    for member in ("worker-2", "worker-3", "worker-1"):
        sim.do("a", member=member)
    assert sim.story().count("step_completed a") == 1
    assert [line for line in sim.story() if "target" in line] == [
        f"step_target_completed a@worker-{n}" for n in (2, 3, 1)
    ]


def test_engine_case_08_one_to_one_goes_to_one_member() -> None:
    sim = begun(Simulation(mob({"a": step(dispatch_mode=ONE)}), worker=3))
    assert sim.open() == ["a@worker-1"]
    sim.do("a", 7)
    assert sim.run.root_step_outputs == {"a": {"worker-1": 7}}


def test_one_to_one_goes_to_the_least_loaded_member() -> None:
    steps = {name: step(dispatch_mode=ONE) for name in "abcd"}
    sim = begun(Simulation(mob({"w": step(policy=1), **steps}), worker=2))
    loads = {member: [line for line in sim.open() if line.endswith(member)] for member in ("worker-1", "worker-2")}
    assert loads["worker-1"] == ["a@worker-1", "c@worker-1", "w@worker-1"]
    assert loads["worker-2"] == ["b@worker-2", "d@worker-2", "w@worker-2"]


def test_a_member_with_finished_work_is_not_loaded() -> None:
    sim = begun(Simulation(mob({"a": step(dispatch_mode=ONE), "b": step("a", dispatch_mode=ONE)}), worker=2))
    sim.do("a", member="worker-1")
    assert sim.open() == ["b@worker-1"]


def test_engine_case_09_fan_in_goes_to_all() -> None:
    sim = begun(Simulation(mob({"a": step(dispatch_mode=IN)}), worker=3))
    assert sim.open() == ["a@worker-1", "a@worker-2", "a@worker-3"]


@pytest.mark.parametrize("policy", ["all", 2])
def test_engine_case_10_fan_in_gives_an_array_in_the_order_of_members(policy: str | int) -> None:
    sim = begun(Simulation(mob({"a": step(dispatch_mode=IN, policy=policy)}), worker=2))
    sim.do("a", "late", member="worker-2")
    sim.do("a", "early", member="worker-1")
    assert sim.run.root_step_outputs["a"] == [
        {"target": "worker-1", "output": "early"},
        {"target": "worker-2", "output": "late"},
    ]


@pytest.mark.parametrize("mode", [DispatchMode.FAN_OUT, IN])
def test_members_are_in_natural_order(mode: DispatchMode) -> None:
    sim = begun(Simulation(mob({"a": step(dispatch_mode=mode)}), worker=11))
    for number in range(11, 0, -1):
        sim.do("a", number, member=f"worker-{number}")
    output = sim.run.root_step_outputs["a"]
    members = [answer["target"] for answer in output] if mode is IN else list(output)
    assert members == [f"worker-{number}" for number in range(1, 12)]


def test_one_to_one_prefers_members_in_natural_order() -> None:
    steps = {f"s{number}": step(dispatch_mode=ONE) for number in range(1, 12)}
    sim = begun(Simulation(mob(steps), worker=11))
    taken_by = {key.target: execution.step_id for key, execution in sim.store.view.executions.items()}
    assert taken_by == {f"worker-{number}": f"s{number}" for number in range(1, 12)}


def test_engine_case_11_all_with_one_member_gives_an_object() -> None:
    sim = begun(Simulation(mob({"a": step()})))
    sim.do("a", [1])
    assert sim.run.root_step_outputs["a"] == {"worker-1": [1]}


def test_engine_case_12_any_is_decided_by_the_first_success() -> None:
    sim = begun(Simulation(mob({"a": step(policy="any"), "b": step("a")}), worker=3))
    sim.claim("a", "worker-3")
    sim.fail("a", member="worker-2")
    assert sim.open() == ["a@worker-1", "a@worker-3"]
    sim.do("a", "first", member="worker-1")
    assert sim.run.root_step_outputs["a"] == "first"
    assert "b@worker-1" in sim.open()
    assert "a@worker-3 canceled" in sim.rows()
    assert not sim.settle("a", Succeeded("late"), "worker-3")


def test_engine_case_13_a_quorum_fails_once_it_cannot_be_met() -> None:
    sim = begun(Simulation(mob({"a": step(policy=2)}), worker=3))
    sim.claim("a", "worker-3")
    sim.fail("a", "one", member="worker-1")
    assert sim.run.status is MobRunStatus.RUNNING
    sim.fail("a", "two", member="worker-2")
    assert sim.run.status is MobRunStatus.FAILED
    assert "a@worker-3 canceled" in sim.rows()
    failed = sim.store.events[-2]
    assert isinstance(failed, StepFailed)
    assert failed.reason == "worker-1: one; worker-2: two"


def test_a_quorum_is_decided_by_the_nth_success_in_any_order() -> None:
    sim = begun(Simulation(mob({"a": step(policy=2)}), worker=4))
    sim.claim("a", "worker-1")
    sim.do("a", 4, member="worker-4")
    sim.fail("a", member="worker-3")
    sim.do("a", 2, member="worker-2")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.run.root_step_outputs["a"] == {"worker-2": 2, "worker-4": 4}
    assert sim.rows("canceled") == ["a@worker-1 canceled"]


def test_all_is_decided_by_the_first_final_failure() -> None:
    sim = begun(Simulation(mob({"a": step()}), worker=3))
    sim.claim("a", "worker-3")
    sim.do("a", member="worker-1")
    sim.fail("a", member="worker-2")
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.rows("completed", "failed", "canceled") == [
        "a@worker-1 completed",
        "a@worker-2 failed",
        "a@worker-3 canceled",
        f"a@{SYSTEM_MEMBER} failed",
    ]


def test_members_that_never_began_are_canceled_too() -> None:
    sim = begun(Simulation(mob({"a": step(policy="any")}), worker=2))
    sim.do("a", member="worker-2")
    assert sim.rows("canceled") == ["a@worker-1 canceled"]
    assert sim.rows("dispatched") == ["a@worker-2 dispatched"]


def test_engine_case_14_too_few_members_fail_the_step_before_any_dispatch() -> None:
    sim = begun(Simulation(mob({"a": step(policy=3), "b": step()}), worker=2))
    assert not sim.keys("a")
    reason = "insufficient targets: role 'worker' has 2 members, the step needs 3"
    assert sim.failures() == [("a", reason)]
    assert sim.open() == ["b@worker-1", "b@worker-2"]
    sim.do("b", member="worker-1")
    sim.do("b", member="worker-2")
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.statuses() == {"a": "Failed", "b": "Completed"}


@pytest.mark.parametrize("mode", list(DispatchMode))
@pytest.mark.parametrize("policy", ["all", "any"])
def test_engine_case_15_no_member_fails_the_step_alone(mode: DispatchMode, policy: str) -> None:
    lonely = step(role="absent", policy=policy, dispatch_mode=mode)
    sim = begun(Simulation(mob({"a": lonely, "b": step(), "c": step("a")}), absent=0))
    sim.do("b")
    assert sim.statuses() == {"a": "Failed", "b": "Completed", "c": "Skipped"}
    assert f"a@{SYSTEM_MEMBER} failed" in sim.rows()
    assert sim.run.status is MobRunStatus.FAILED


def test_engine_case_16_a_satisfied_any_keeps_the_rows_of_the_failed_target() -> None:
    sim = begun(Simulation(mob({"a": step(policy="any")}), worker=2))
    sim.fail("a", "broken", member="worker-1")
    sim.do("a", member="worker-2")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert "a@worker-1 failed" in sim.rows()
    assert sim.failures() == [("a", "broken")]
    assert "step_target_failed a@worker-1" in sim.story()


def test_the_row_of_a_target_holds_its_own_output_and_that_of_the_step_the_aggregate() -> None:
    sim = begun(Simulation(mob({"a": step()}), worker=2))
    sim.do("a", 1, member="worker-1")
    sim.do("a", 2, member="worker-2")
    outputs = {row.agent_identity: row.output for row in sim.run.step_ledger if row.status == "completed"}
    assert outputs == {"worker-1": 1, "worker-2": 2, SYSTEM_MEMBER: {"worker-1": 1, "worker-2": 2}}


def test_a_result_of_one_target_alone_changes_neither_step_nor_run() -> None:
    sim = begun(Simulation(mob({"a": step()}), worker=2))
    before = sim.run
    sim.do("a", member="worker-1")
    assert (sim.run.flow_state, sim.run.frames, sim.run.status) == (before.flow_state, before.frames, before.status)
    assert sim.settle("a", Failed("no"), "worker-1") is False
