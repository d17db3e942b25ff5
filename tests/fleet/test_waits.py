"""Steps that wait for a signal: what they take, in which order, and what becomes of those that get none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from redis_mob.fleet import engine
from redis_mob.fleet.outcome import Succeeded
from redis_mob.kernel.repair import repair
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition, PolicyMode, TopologySpec
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow_spec import OnTimeout
from tests.fleet.flows import loop, mob, node, rule, step, wait
from tests.fleet.simulation import NOON, Simulation

MINUTE = timedelta(minutes=1)


def begun(definition: MobDefinition) -> Simulation:
    sim = Simulation(definition)
    assert sim.advance()
    return sim


def taken(payload: Any = None, *, signal: str = "go", timed_out: bool = False) -> dict[str, Any]:
    """What a step gives that has waited."""
    return {"signal": signal, "payload": payload, "timed_out": timed_out}


def test_a_step_waits_for_its_signal_and_gives_its_payload() -> None:
    sim = begun(mob({"a": wait(), "b": step("a")}))
    assert sim.keys("a", ExecutionStatus.AWAITING)
    assert sim.store.run_due is None
    assert not sim.advance()
    sim.signal(payload={"by": "anna"})
    assert sim.store.run_due == NOON
    assert sim.advance()
    sim.do("b")
    assert sim.run.root_step_outputs == {"a": taken({"by": "anna"}), "b": {"worker-1": "done"}}
    assert sim.story() == [
        "flow_started",
        "step_dispatched a@signal:go",
        "step_target_completed a@signal:go",
        "step_completed a",
        "step_dispatched b@worker-1",
        "step_target_completed b@worker-1",
        "step_completed b",
        "flow_completed",
    ]
    assert sim.rows()[:2] == ["a@signal:go dispatched", "a@signal:go completed"]


def test_a_signal_that_came_before_is_taken_at_once() -> None:
    sim = Simulation(mob({"a": wait()}))
    sim.signal(payload=1)
    assert sim.advance()
    assert (sim.run.status, sim.run.root_step_outputs) == ("completed", {"a": taken(1)})


def test_signals_of_one_name_are_taken_in_their_order_by_the_step_that_has_waited_longest() -> None:
    sim = begun(mob({"w": step(), "late": wait("w"), "early": wait(), "other": wait(signal="stop")}))
    sim.wait(MINUTE)
    sim.do("w")
    for number in (1, 2, 3):
        sim.signal(payload=number)
    assert sim.advance()
    assert sim.run.root_step_outputs["early"] == taken(1)
    assert sim.run.root_step_outputs["late"] == taken(2)
    assert list(sim.store.view.signals) == [3]
    assert sim.keys("other", ExecutionStatus.AWAITING)


def test_each_iteration_of_a_loop_takes_one() -> None:
    until = EqCondition(path="steps.a.payload", value="good")
    sim = begun(mob({"a": wait()}, {"l": loop("l", until, 5, a=node("a"))}))
    sim.signal(payload="bad")
    assert sim.advance()
    sim.signal(payload="worse")
    sim.signal(payload="good")
    sim.signal(payload="too late")
    assert sim.advance()
    outputs = [one["a"]["payload"] for one in sim.run.loop_iteration_outputs["l"]]
    assert (sim.run.status, outputs) == ("completed", ["bad", "worse", "good"])
    assert sim.rows().count("a@signal:go dispatched") == 1
    assert sim.story().count("step_dispatched a@signal:go") == 3


def test_time_that_is_over_is_an_output_too() -> None:
    approved = EqCondition(path="steps.a.timed_out", value=False)
    expired = EqCondition(path="steps.a.timed_out", value=True)
    steps = {
        "a": wait(timeout_ms=60_000),
        "yes": step("a", condition=approved, branch="way"),
        "no": step("a", condition=expired, branch="way"),
    }
    sim = begun(mob(steps))
    assert sim.store.run_due == NOON + MINUTE
    sim.wait(MINUTE - timedelta(milliseconds=1))
    assert not sim.advance()
    sim.wait(timedelta(milliseconds=1))
    assert sim.advance()
    assert sim.open() == ["no@worker-1"]
    assert sim.run.root_step_outputs["a"] == taken(timed_out=True)


def test_a_step_may_fail_when_its_time_is_over() -> None:
    sim = begun(mob({"a": wait(timeout_ms=1, on_timeout=OnTimeout.FAIL), "b": step("a")}))
    sim.wait(timedelta(milliseconds=1))
    assert sim.advance()
    assert sim.failures() == [("a", "no signal 'go' came within 1 ms")]
    assert (sim.run.status, sim.statuses()) == ("failed", {"a": "Failed", "b": "Skipped"})
    assert "step_target_failed a@signal:go" in sim.story()


def test_a_signal_that_is_there_counts_also_after_the_time() -> None:
    sim = begun(mob({"a": wait(timeout_ms=1)}))
    sim.wait(MINUTE)
    sim.signal(payload=1)
    assert sim.advance()
    assert sim.run.root_step_outputs == {"a": taken(1)}


def test_the_next_time_is_that_of_the_first_step_whose_time_is_over_or_of_the_flow() -> None:
    steps = {"a": wait(timeout_ms=60_000), "b": wait(timeout_ms=30_000), "c": wait()}
    sim = begun(mob(steps, limits={"max_flow_duration_ms": 45_000}))
    assert sim.store.run_due == NOON + MINUTE / 2
    sim.wait(MINUTE / 2)
    assert sim.advance()
    assert sim.store.run_due == NOON + 3 * MINUTE / 4
    sim.wait(MINUTE)
    assert sim.advance()
    assert sim.failures() == [("__flow__", "max flow duration exceeded")]
    assert sim.statuses() == {"a": "Failed", "b": "Completed", "c": "Failed"}


def test_a_worker_that_finds_nothing_to_do_leaves_the_time_in_the_schedule() -> None:
    sim = begun(mob({"a": wait(timeout_ms=60_000)}))
    given_back = engine.give_back(sim.store.load())
    assert given_back is not None
    assert given_back.look_again_at == NOON + MINUTE


def test_a_step_that_waits_takes_no_slot() -> None:
    sim = begun(mob({"a": wait(), "b": step(), "c": step()}, limits={"max_active_nodes": 1}))
    assert sim.keys("a", ExecutionStatus.AWAITING)
    assert sim.open() == ["b@worker-1"]
    sim.signal()
    assert sim.advance()
    assert sim.open() == ["b@worker-1"]
    sim.do("b")
    sim.do("c")
    assert (sim.run.status, sim.run.flow_state.active_node_count) == ("completed", 0)


def test_a_condition_that_does_not_hold_skips_it() -> None:
    sim = begun(mob({"a": wait(condition=EqCondition(path="params.x", value=1))}))
    assert sim.story() == ["flow_started", "step_skipped a", "flow_completed"]


@pytest.mark.parametrize("cancel", [True, False])
def test_a_run_ends_before_its_time_while_a_step_waits(cancel: bool) -> None:
    sim = begun(mob({"a": wait(), "b": step()}, limits={"max_flow_duration_ms": 1000}))
    if cancel:
        sim.store.request_cancel()
    else:
        sim.wait(MINUTE)
    assert sim.advance()
    assert sim.run.status == ("canceled" if cancel else "failed")
    assert sorted(sim.rows("canceled")) == ["a@signal:go canceled", "b@worker-1 canceled"]
    assert sim.run.flow_state.active_node_count == 0


def test_no_rule_of_the_topology_forbids_to_wait() -> None:
    topology = TopologySpec(mode=PolicyMode.STRICT, rules=(rule("*", allowed=False),))
    sim = begun(mob({"a": wait()}, topology=topology))
    assert sim.keys("a", ExecutionStatus.AWAITING)


def test_recovery_knows_that_it_holds_no_slot() -> None:
    sim = begun(mob({"a": wait(), "b": step()}))
    state = sim.run.flow_state.model_copy(update={"active_node_count": 2})
    draft = repair(sim.run.model_copy(update={"flow_state": state, "flow_authority_inputs": ()}), _flow(sim))
    assert draft.machine.flow_state.active_node_count == 1


def test_what_is_said_to_those_who_are_to_send_the_signal_is_kept() -> None:
    asks = wait("b").model_copy(update={"message": "release {{steps.b.worker-1}}?"})
    sim = begun(mob({"b": step(), "a": asks}))
    sim.claim("b")
    assert sim.settle("b", Succeeded("1.2"))
    [key] = sim.keys("a")
    assert sim.store.view.executions[key].message == "release 1.2?"


def _flow(sim: Simulation) -> Any:
    return sim.definition.flows[sim.run.flow_id]
