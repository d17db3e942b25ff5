"""Frames, conditions, branches and loops as the engine drives them (contract: kernel-32, kernel-23, kernel-12)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.fleet.transition_builder import SYSTEM_MEMBER
from redis_mob.models.conditions import EqCondition, GtCondition, NotCondition
from redis_mob.models.flow import FramePhase
from redis_mob.models.flow_events import FlowCompleted, StepSkipped
from redis_mob.models.ledger import FLOW_STEP
from redis_mob.models.run_status import MobRunStatus
from tests.fleet.flows import loop, mob, node, step
from tests.fleet.simulation import Simulation

NEVER = EqCondition(path="params.none", value=1)
ALWAYS = NotCondition(expr=NEVER)


def began(sim: Simulation) -> Simulation:
    assert sim.advance()
    return sim


def any_step(*needs: str, **more: Any) -> Any:
    """A step whose output is the bare value of its only member."""
    return step(*needs, policy="any", **more)


def skips(sim: Simulation) -> list[tuple[str, str]]:
    return [(event.step_id, event.reason) for event in sim.store.events if isinstance(event, StepSkipped)]


def test_engine_case_40_nodes_run_in_the_order_of_their_dependencies() -> None:
    # The steps' own dependencies say otherwise: those of the nodes count.
    root = {"n2": node("b", "n1"), "n1": node("a")}
    sim = began(Simulation(mob({"a": step("b"), "b": step()}, root)))
    assert sim.open() == ["a@worker-1"]
    sim.do("a")
    assert sim.open() == ["b@worker-1"]
    sim.do("b")
    assert sim.run.frames[f"{sim.run_id}-root"].kernel_state.phase is FramePhase.COMPLETED
    assert sim.run.status is MobRunStatus.COMPLETED


def test_engine_case_41_a_condition_that_does_not_hold_skips_the_step() -> None:
    sim = began(Simulation(mob({"a": step(condition=NEVER)})))
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.rows() == [f"a@{SYSTEM_MEMBER} skipped"]
    assert skips(sim) == [("a", "its condition does not hold")]
    [completed] = [event for event in sim.store.events if isinstance(event, FlowCompleted)]
    assert completed.structured_output is None


def test_engine_case_42_skips_cascade_and_a_join_of_any_runs_with_one_winner() -> None:
    steps = {
        "no": step(condition=NEVER),
        "yes": step(condition=ALWAYS),
        "after_no": step("no"),
        "join_any": step("no", "yes", join="any"),
        "join_all": step("no", "yes"),
    }
    sim = began(Simulation(mob(steps)))
    sim.do("yes")
    assert sim.open() == ["join_any@worker-1"]
    sim.do("join_any")
    assert sim.statuses() == {
        "no": "Skipped",
        "yes": "Completed",
        "after_no": "Skipped",
        "join_any": "Completed",
        "join_all": "Skipped",
    }
    reason = "what it depends on did not complete"
    assert skips(sim)[1:] == [("after_no", reason), ("join_all", reason)]


def branched() -> Simulation:
    steps = {name: step(condition=ALWAYS, branch="way") for name in ("one", "two", "three")}
    return began(Simulation(mob({**steps, "join": step("one", "two", "three", join="any")})))


def test_engine_case_43_a_branch_falls_back_after_a_failure_and_its_winner_makes_the_run() -> None:
    sim = branched()
    assert sim.open() == ["one@worker-1"]
    sim.fail("one")
    assert sim.open() == ["two@worker-1"]
    sim.do("two")
    assert skips(sim) == [("three", "another member of its branch completed")]
    sim.do("join")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.statuses() == {"one": "Failed", "two": "Completed", "three": "Skipped", "join": "Completed"}


def test_a_branch_whose_members_all_fail_fails_the_run() -> None:
    sim = branched()
    for name in ("one", "two", "three"):
        sim.fail(name)
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.statuses()["join"] == "Skipped"


def test_a_branch_member_whose_condition_does_not_hold_frees_the_others() -> None:
    steps = {
        "one": step(condition=NEVER, branch="way"),
        "two": step(condition=ALWAYS, branch="way"),
    }
    sim = began(Simulation(mob(steps)))
    assert sim.open() == ["two@worker-1"]
    sim.do("two")
    assert sim.statuses() == {"one": "Skipped", "two": "Completed"}


def test_engine_case_44_a_flat_flow_has_a_root_frame_of_its_steps() -> None:
    sim = began(Simulation(mob({"a": step(), "b": step("a")})))
    assert list(sim.run.frames) == [f"{sim.run_id}-root"]
    assert set(sim.run.frames[f"{sim.run_id}-root"].kernel_state.node_status) == {"a", "b"}


def looped(until: Any, most: int, **limits: int) -> Simulation:
    steps = {"try": any_step(), "after": any_step()}
    root = {"again": loop("again", until, most, work=node("try")), "end": node("after", "again")}
    return began(Simulation(mob(steps, root, limits=limits)))


def test_engine_case_45_a_failed_body_ends_the_loop_and_the_run() -> None:
    sim = looped(ALWAYS, 3)
    sim.fail("try", "broken")
    assert len(sim.run.loop_iteration_ledger) == 1
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.statuses() == {"try": "Failed", "after": "Skipped"}


def test_engine_case_46_an_exhausted_loop_fails_the_run_without_a_failed_step() -> None:
    sim = looped(NEVER, 2)
    for _ in range(2):
        sim.do("try")
    assert sim.run.status is MobRunStatus.FAILED
    assert not [line for line in sim.story() if line.startswith("step_failed")]
    assert sim.failures() == [(FLOW_STEP, "loop 'again': its condition did not hold after 2 iterations")]
    assert sim.statuses() == {"try": "Completed", "after": "Skipped"}


def test_engine_case_47_a_loop_repeats_until_its_condition_holds() -> None:
    sim = looped(GtCondition(path="steps.try.score", value=5), 9)
    sim.do("try", {"score": 1})
    sim.do("try", {"score": 9})
    sim.do("after")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.run.loop_iteration_outputs == {"again": ({"try": {"score": 1}}, {"try": {"score": 9}})}
    assert [(row.iteration, row.frame_id) for row in sim.run.loop_iteration_ledger] == [
        (number, f"{sim.run.loop_iteration_ledger[0].loop_instance_id}::iter-{number}") for number in (0, 1)
    ]
    assert sim.rows("dispatched") == ["try@worker-1 dispatched", "after@worker-1 dispatched"]


def test_engine_case_48_a_loop_goes_on_after_its_worker_was_lost() -> None:
    sim = looped(ALWAYS, 1)
    sim.claim("try", owner="lost")
    sim.lose("try")
    sim.do("try")
    sim.do("after")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert len(sim.run.loop_iteration_ledger) == 1


NESTED = {
    "outer": loop(
        "outer",
        GtCondition(path="steps.plan.round", value=0),
        3,
        p=node("plan"),
        inner=loop("inner", GtCondition(path="steps.polish.round", value=1), 5, "p", w=node("polish")),
    )
}
NESTED_STEPS = {"plan": any_step(), "polish": any_step(message="{{ loops.inner.iterations.0.steps.polish.round }}")}


def test_a_nested_loop_starts_afresh_in_each_round_of_the_outer_one() -> None:
    sim = began(Simulation(mob(NESTED_STEPS, NESTED)))
    for outer in range(2):
        sim.do("plan", {"round": outer})
        for inner in range(3):
            seen = sim.execution("polish").message
            assert seen == ("null" if inner == 0 else "0"), "it sees rounds of an earlier instance"
            sim.do("polish", {"round": inner})
    assert sim.run.status is MobRunStatus.COMPLETED
    assert [len(rounds) for rounds in sim.run.loop_iteration_outputs.values()] == [3, 2]
    assert len(sim.run.loops) == 3


def test_steps_of_an_iteration_see_the_one_before() -> None:
    steps = {"first": any_step(), "second": any_step(message="{{ steps.first }} {{ steps.second }}")}
    rounds = loop("l", NEVER, 2, f=node("first"), s=node("second", "f"))
    sim = began(Simulation(mob(steps, {"l": rounds})))
    sim.do("first", "f0")
    assert sim.execution("second").message == "f0 null"
    sim.do("second", "s0")
    sim.do("first", "f1")
    assert sim.execution("second").message == "f1 s0"


@pytest.mark.parametrize("cap", [1, 2])
def test_engine_case_49_no_more_steps_run_at_a_time_than_allowed(cap: int) -> None:
    steps = {name: any_step() for name in ("a", "b", "c", "in")}
    root = {"a": node("a"), "b": node("b"), "c": node("c"), "l": loop("l", NEVER, 1, i=node("in"))}
    sim = began(Simulation(mob(steps, root, limits={"max_active_nodes": cap})))
    done: list[str] = []
    while opened := sim.open():
        assert len(opened) <= cap
        sim.do(opened[0].partition("@")[0])
        done.append(opened[0])
    assert sorted(done) == [f"{name}@worker-1" for name in ("a", "b", "c", "in")]


def test_no_more_bodies_run_at_a_time_than_allowed_and_nested_ones_do_not_wait() -> None:
    steps = {name: any_step() for name in ("x", "y", "deep")}
    deep = loop("deep", ALWAYS, 1, d=node("deep"))
    root = {"one": loop("one", ALWAYS, 1, n=node("x"), m=deep), "two": loop("two", ALWAYS, 1, n=node("y"))}
    sim = began(Simulation(mob(steps, root, limits={"max_active_frames": 1})))
    assert sim.open() == ["deep@worker-1", "x@worker-1"]
    sim.do("deep")
    sim.do("x")
    assert sim.open() == ["y@worker-1"]
    sim.do("y")
    assert sim.run.status is MobRunStatus.COMPLETED


def test_engine_case_50_nesting_too_deeply_fails_the_run_when_the_loop_would_start() -> None:
    sim = began(Simulation(mob(NESTED_STEPS, NESTED, limits={"max_frame_depth": 1})))
    assert sim.run.status is MobRunStatus.RUNNING
    sim.do("plan", {"round": 0})
    assert sim.run.status is MobRunStatus.FAILED
    [(failed, reason)] = sim.failures()
    assert failed == FLOW_STEP
    assert "would nest 2 deep; the limit max_frame_depth is 1" in reason
    assert sim.statuses() == {"plan": "Completed", "polish": "Failed"}


def test_a_skipped_loop_skips_the_steps_of_its_body() -> None:
    steps = {"no": step(condition=NEVER), "in": step(), "deep": step()}
    body = loop("l", ALWAYS, 1, "no", i=node("in"), d=loop("d", ALWAYS, 1, n=node("deep")))
    sim = began(Simulation(mob(steps, {"no": node("no"), "l": body})))
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.statuses() == dict.fromkeys(("no", "in", "deep"), "Skipped")
    assert sorted(name for name, _ in skips(sim)) == ["deep", "in", "no"]
    assert sorted(sim.rows()) == [f"{name}@{SYSTEM_MEMBER} skipped" for name in ("deep", "in", "no")]


def test_an_empty_body_and_an_empty_flow() -> None:
    sim = began(Simulation(mob({}, {"l": loop("l", ALWAYS, 1)})))
    assert sim.run.status is MobRunStatus.COMPLETED
    assert began(Simulation(mob({}))).run.status is MobRunStatus.COMPLETED
