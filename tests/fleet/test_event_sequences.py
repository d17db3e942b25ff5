"""The event log of whole runs, event by event (contract: engine-29)."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.fleet.outcome import Succeeded
from redis_mob.models.conditions import EqCondition, GtCondition
from redis_mob.models.definition import PolicyMode, TopologySpec
from redis_mob.models.flow_events import FlowCompleted, FlowFailed, FlowStarted
from tests.fleet.flows import loop, mob, node, rule, step
from tests.fleet.simulation import Simulation

NEVER = EqCondition(path="params.none", value=1)


def begun(sim: Simulation) -> Simulation:
    assert sim.advance()
    return sim


def of_step(step_id: str) -> list[str]:
    return [
        f"step_dispatched {step_id}@worker-1",
        f"step_target_completed {step_id}@worker-1",
        f"step_completed {step_id}",
    ]


def test_engine_case_67_two_steps_in_a_row() -> None:
    sim = begun(Simulation(mob({"a": step(), "b": step("a")}), {"x": 1}))
    sim.do("a", 1)
    sim.do("b", 2)
    assert sim.story() == ["flow_started", *of_step("a"), *of_step("b"), "flow_completed"]
    assert sim.store.events[0] == FlowStarted(run_id=sim.run_id, flow_id="flow", params={"x": 1})
    outputs = {"steps": {"a": {"worker-1": 1}, "b": {"worker-1": 2}}}
    assert sim.store.events[-1] == FlowCompleted(run_id=sim.run_id, flow_id="flow", structured_output=outputs)
    assert sim.rows() == [
        "a@worker-1 dispatched",
        "a@worker-1 completed",
        "b@worker-1 dispatched",
        "b@worker-1 completed",
        "a@__flow_system_member__ completed",
        "b@__flow_system_member__ completed",
    ]


def test_engine_case_67_failure_after_one_retry() -> None:
    sim = begun(Simulation(mob({"a": step()}, limits={"max_step_retries": 1})))
    sim.fail("a", "first")
    sim.wait(timedelta(seconds=1))
    sim.fail("a", "second")
    attempt = ["step_dispatched a@worker-1", "step_target_failed a@worker-1"]
    assert sim.story() == ["flow_started", *attempt, *attempt, "step_failed a", "flow_failed"]
    reason = "step 'a': second"
    assert sim.store.events[-1] == FlowFailed(run_id=sim.run_id, flow_id="flow", reason=reason)


def test_engine_case_67_fan_out_of_two() -> None:
    sim = begun(Simulation(mob({"a": step()}), worker=2))
    sim.claim("a", "worker-1")
    sim.claim("a", "worker-2")
    for member in ("worker-2", "worker-1"):
        assert sim.settle("a", Succeeded(1), member)
    assert sim.story() == [
        "flow_started",
        "step_dispatched a@worker-1",
        "step_dispatched a@worker-2",
        "step_target_completed a@worker-2",
        "step_target_completed a@worker-1",
        "step_completed a",
        "flow_completed",
    ]


def test_engine_case_67_the_only_step_is_skipped() -> None:
    sim = begun(Simulation(mob({"a": step(condition=NEVER)})))
    assert sim.story() == ["flow_started", "step_skipped a", "flow_completed"]


def test_engine_case_67_a_failure_skips_what_depends_on_it() -> None:
    sim = begun(Simulation(mob({"a": step(), "b": step("a")})))
    sim.fail("a")
    assert sim.story()[1:] == [
        "step_dispatched a@worker-1",
        "step_target_failed a@worker-1",
        "step_failed a",
        "step_skipped b",
        "flow_failed",
    ]


def test_engine_case_67_a_loop_of_two_iterations_has_no_events_of_its_own() -> None:
    until = GtCondition(path="steps.a.n", value=0)
    sim = begun(Simulation(mob({"a": step(policy="any")}, {"l": loop("l", until, 5, n=node("a"))})))
    sim.do("a", {"n": 0})
    sim.do("a", {"n": 1})
    assert sim.story() == ["flow_started", *of_step("a"), *of_step("a"), "flow_completed"]
    end = sim.store.events[-1]
    assert isinstance(end, FlowCompleted)
    assert end.structured_output == {"steps": {"a": {"n": 1}}}


def test_engine_case_67_cancel_tells_of_no_step() -> None:
    sim = begun(Simulation(mob({"a": step(), "b": step("a")})))
    sim.claim("a")
    sim.store.request_cancel()
    sim.advance()
    assert sim.story() == ["flow_started", "step_dispatched a@worker-1", "flow_canceled"]


def test_engine_case_67_out_of_time_tells_of_no_step() -> None:
    sim = begun(Simulation(mob({"a": step(), "b": step("a")}, limits={"max_flow_duration_ms": 10})))
    sim.claim("a")
    sim.wait(timedelta(seconds=1))
    sim.advance()
    assert sim.story() == ["flow_started", "step_dispatched a@worker-1", "flow_failed"]


def test_engine_case_67_an_advisory_denial_comes_before_the_dispatch() -> None:
    topology = TopologySpec(mode=PolicyMode.ADVISORY, rules=(rule("worker", allowed=False),))
    sim = begun(Simulation(mob({"a": step()}, topology=topology)))
    sim.do("a")
    assert sim.story() == ["flow_started", "topology_violation", *of_step("a"), "flow_completed"]


def test_engine_case_67_a_strict_denial() -> None:
    topology = TopologySpec(mode=PolicyMode.STRICT, rules=(rule("worker", allowed=False),))
    sim = begun(Simulation(mob({"a": step()}, topology=topology)))
    assert sim.story() == ["flow_started", "flow_failed"]


def test_a_successor_is_told_as_a_dispatch_of_its_own() -> None:
    sim = begun(Simulation(mob({"a": step()})))
    sim.claim("a", owner="lost")
    sim.lose("a")
    sim.do("a")
    assert sim.story()[1:3] == ["step_dispatched a@worker-1"] * 2


def test_why_a_run_failed_names_the_last_failure_of_each_step() -> None:
    sim = begun(Simulation(mob({"a": step(), "b": step()}), worker=2))
    sim.fail("a", "one", member="worker-1")
    sim.fail("b", "two", member="worker-2")
    end = sim.store.events[-1]
    assert isinstance(end, FlowFailed)
    assert end.reason == "step 'a': one; step 'b': two"
