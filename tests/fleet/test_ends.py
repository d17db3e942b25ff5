"""How runs end before their time: canceled, out of time, against the topology; and what stays of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redis_mob.fleet import engine
from redis_mob.fleet.outcome import Succeeded
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import PolicyMode, TopologyRule, TopologySpec
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow import FramePhase, NodeStatus
from redis_mob.models.flow_events import FlowFailed, TopologyViolation
from redis_mob.models.run_status import MobRunStatus
from tests.fleet.flows import loop, mob, node, rule, step
from tests.fleet.simulation import Simulation

NEVER = EqCondition(path="params.none", value=1)


def three_under_way(duration: int | None = None) -> Simulation:
    """A run with a completed step, two parallel ones under way, one in a loop, and one that waits for them."""
    steps = {name: step() for name in ("done", "left", "right", "inner", "last")}
    root = {
        "done": node("done"),
        "left": node("left", "done"),
        "right": node("right", "done"),
        "loop": loop("loop", NEVER, 3, "done", i=node("inner")),
        "last": node("last", "left", "right", "loop"),
    }
    sim = Simulation(mob(steps, root, limits={} if duration is None else {"max_flow_duration_ms": duration}))
    sim.advance()
    sim.do("done")
    for name in ("left", "right"):
        sim.claim(name)
    assert sim.open() == ["inner@worker-1", "left@worker-1", "right@worker-1"]
    return sim


def check_nothing_is_under_way(sim: Simulation) -> None:
    assert sim.open() == []
    assert all(execution.lease is None for execution in sim.store.view.executions.values())
    assert (sim.store.ready, sim.store.run_due) == ({}, None)
    for frame in sim.run.frames.values():
        assert frame.kernel_state.phase is not FramePhase.RUNNING
        assert NodeStatus.RUNNING not in frame.kernel_state.node_status.values()
    state = sim.run.flow_state
    assert (state.active_node_count, state.active_frame_count) == (0, 0)


def test_engine_case_51_a_flow_out_of_time_fails() -> None:
    sim = three_under_way(duration=25)
    sim.wait(timedelta(milliseconds=25) - timedelta(microseconds=1))
    assert not sim.advance()
    assert sim.store.run_due == sim.store.view.deadline, "no worker would look when its time is over"
    sim.wait(timedelta(microseconds=1))
    assert sim.advance()
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.failures() == [("__flow__", "max flow duration exceeded")]
    end = sim.store.events[-1]
    assert isinstance(end, FlowFailed)
    assert end.reason == "max flow duration exceeded"
    check_nothing_is_under_way(sim)


@pytest.mark.parametrize("ending", ["cancel", "deadline"])
def test_a_run_that_must_end_gives_out_nothing_more(ending: str) -> None:
    sim = three_under_way(duration=25)
    if ending == "cancel":
        sim.store.request_cancel()
    else:
        sim.wait(timedelta(seconds=1))
    key = sim.key("inner", "worker-1")
    transition = sim.claimed(key, "x")
    assert transition is not None
    sim.commit(transition)
    assert sim.run.status.is_terminal
    assert not [line for line in sim.story() if line.startswith("step_dispatched inner")]
    check_nothing_is_under_way(sim)


@pytest.mark.parametrize("way", ["advance", "settle"])
def test_engine_case_55_cancel_leaves_nothing_running(way: str) -> None:
    sim = three_under_way()
    told = sim.story()
    assert sim.store.request_cancel()
    if way == "advance":
        assert sim.advance()
        assert sim.story() == [*told, "flow_canceled"]
    else:
        assert sim.settle("left", Succeeded("in time"))
        assert sim.story()[-1] == "flow_canceled"
    assert sim.run.status is MobRunStatus.CANCELED
    check_nothing_is_under_way(sim)
    assert "right@worker-1 canceled" in sim.rows()
    assert "inner@worker-1 canceled" in sim.rows()
    assert not sim.settle("right", Succeeded("late"))


def test_engine_case_66_completed_steps_stay_completed() -> None:
    canceled = three_under_way()
    canceled.store.request_cancel()
    canceled.advance()
    assert canceled.statuses() == {
        "done": "Completed",
        **dict.fromkeys(("left", "right", "inner", "last"), "Canceled"),
    }
    failed = three_under_way()
    failed.fail("inner")
    failed.settle("left", Succeeded(1))
    failed.settle("right", Succeeded(1))
    assert failed.run.status is MobRunStatus.FAILED
    assert failed.statuses() == {
        "done": "Completed",
        "left": "Completed",
        "right": "Completed",
        "inner": "Failed",
        "last": "Skipped",
    }


def test_engine_case_54_a_run_that_never_began_can_be_canceled() -> None:
    sim = Simulation(mob({"a": step()}))
    assert sim.store.request_cancel()
    assert sim.advance()
    assert sim.run.status is MobRunStatus.CANCELED
    assert sim.story() == ["flow_canceled"]
    assert sim.statuses() == {"a": "Canceled"}


def test_engine_case_56_cancel_after_the_end_changes_nothing() -> None:
    sim = Simulation(mob({"a": step()}))
    sim.advance()
    sim.do("a")
    before = sim.store.view
    assert not sim.store.request_cancel()
    assert not sim.advance()
    assert sim.store.view == before


def test_engine_case_57_of_cancel_and_failure_at_once_one_wins() -> None:
    sim = three_under_way()
    claimed = sim.store.load()
    key, token = sim.key("left", "worker-1"), sim.execution("left").fencing_token
    sim.store.request_cancel()
    stale = engine.settle(claimed, sim.definition, key, Succeeded(1), token=token, random=sim.random)
    assert stale is not None
    canceling = engine.advance(sim.store.load(), sim.definition)
    assert canceling is not None
    assert not sim.store.commit(stale), "a result committed over the request would hide it"
    assert sim.store.commit(canceling)
    assert not sim.store.commit(canceling)
    assert sim.story().count("flow_canceled") == 1


def test_a_request_that_comes_during_a_commit_is_not_forgotten() -> None:
    sim = three_under_way()
    key = sim.key("inner", "worker-1")
    claim = sim.claimed(key, "x")
    assert claim is not None
    sim.store.request_cancel()
    assert not sim.store.commit(claim)
    assert sim.store.run_due == sim.store.now


def test_the_deadline_counts_from_the_start_by_the_clock_of_the_storage() -> None:
    sim = three_under_way(duration=60_000)
    assert sim.store.view.deadline == sim.store.view.launched_at + timedelta(minutes=1)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([rule("worker", allowed=False)], id="role"),
        pytest.param([rule("*", allowed=False, from_role="*")], id="wildcard"),
        pytest.param([rule("worker", allowed=True), rule("*", allowed=False)], id="last-rule-wins"),
    ],
)
class TestDenial:
    def test_engine_case_60_strict_fails_the_run_before_any_dispatch(self, rules: list[TopologyRule]) -> None:
        topology = TopologySpec(mode=PolicyMode.STRICT, rules=tuple(rules))
        sim = Simulation(mob({"a": step(), "b": step("a")}, topology=topology))
        sim.advance()
        assert sim.story() == ["flow_started", "flow_failed"]
        assert sim.failures() == [("__flow__", "the topology forbids step 'a': role 'worker' must not be addressed")]
        assert sim.statuses() == {"a": "Failed", "b": "Failed"}
        check_nothing_is_under_way(sim)

    def test_engine_case_61_advisory_tells_and_goes_on(self, rules: list[TopologyRule]) -> None:
        topology = TopologySpec(mode=PolicyMode.ADVISORY, rules=tuple(rules))
        sim = Simulation(mob({"a": step()}, topology=topology), worker=2)
        sim.advance()
        assert sim.store.events[-1] == TopologyViolation(from_role="lead", to_role="worker")
        sim.do("a", member="worker-1")
        sim.do("a", member="worker-2")
        assert sim.run.status is MobRunStatus.COMPLETED
        assert sim.story().count("topology_violation") == 1


@pytest.mark.parametrize(
    "rules",
    [[], [rule("*", allowed=False), rule("worker", allowed=True)], [rule("worker", allowed=False, from_role="worker")]],
)
def test_what_no_rule_or_the_last_one_allows_is_allowed(rules: list[TopologyRule]) -> None:
    sim = Simulation(mob({"a": step()}, topology=TopologySpec(mode=PolicyMode.STRICT, rules=tuple(rules))))
    sim.advance()
    assert sim.open() == ["a@worker-1"]


def test_a_step_that_is_not_wanted_is_not_denied() -> None:
    topology = TopologySpec(mode=PolicyMode.STRICT, rules=(rule("worker", allowed=False),))
    sim = Simulation(mob({"a": step(condition=NEVER)}, topology=topology))
    sim.advance()
    assert sim.run.status is MobRunStatus.COMPLETED


def test_a_strict_denial_stops_what_is_under_way() -> None:
    topology = TopologySpec(mode=PolicyMode.STRICT, rules=(rule("secret", allowed=False),))
    sim = Simulation(mob({"a": step(), "b": step(), "c": step("a", role="secret")}, topology=topology))
    sim.advance()
    sim.claim("b")
    sim.do("a")
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.execution("b").status is ExecutionStatus.CANCELED
    assert sim.statuses() == {"a": "Completed", "b": "Failed", "c": "Failed"}
