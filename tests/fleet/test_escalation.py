"""The supervisor is told of steps that fail, each once; what comes of that changes no status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.fleet import engine
from redis_mob.fleet.engine import Claimant
from redis_mob.fleet.escalation import timeout_ms_of
from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition, SupervisorSpec
from redis_mob.models.execution import OVERDUE, Claim, Execution, ExecutionKey, ExecutionStatus, HowLost
from redis_mob.models.flow_events import StepTargetFailed
from redis_mob.models.flow_spec import FlowStepSpec
from redis_mob.models.ids import AgentRuntimeId
from tests.fleet.everything import ALWAYS, single
from tests.fleet.flows import Node, loop, mob, node, step, supervisor
from tests.fleet.simulation import NOON, Simulation

HALF_A_MINUTE = timedelta(seconds=30)


def supervised(
    steps: dict[str, FlowStepSpec],
    root: dict[str, Node] | None = None,
    *,
    threshold: int = 1,
    timeout_ms: int | None = None,
    **limits: Any,
) -> MobDefinition:
    return mob(steps, root, limits=limits, supervisor=supervisor(threshold, timeout_ms))


def failing(definition: MobDefinition, *steps: str, leads: int = 1) -> Simulation:
    """A run in which these steps have failed, one after the other."""
    sim = Simulation(definition, lead=leads)
    sim.advance()
    for step_id in steps:
        sim.fail(step_id)
    return sim


def escalation(sim: Simulation) -> tuple[ExecutionKey, Execution]:
    [found] = sim.escalations().items()
    return found


def begin(sim: Simulation) -> int:
    """The supervisor begins; its fencing token."""
    key, _ = escalation(sim)
    claimed = sim.claimed(key)
    assert claimed is not None
    sim.commit(claimed)
    return escalation(sim)[1].fencing_token


def end(sim: Simulation, outcome: Succeeded | Failed, token: int) -> bool:
    key, _ = escalation(sim)
    taken = engine.settle(sim.store.load(), sim.definition, key, outcome, token=token, random=sim.random)
    return taken is not None and sim.commit(taken)


def test_engine_case_62_the_supervisor_is_told_before_the_run_ends() -> None:
    sim = failing(supervised({"a": step(), "b": step("a")}), "a")
    assert sim.run.status == "running"
    key, execution = escalation(sim)
    assert (key.node_id, key.target, execution.role) == ("a", "lead-1", "lead")
    assert execution.message == f"step a of run {sim.run_id} (flow flow) failed: worker-1: broken"
    assert execution.escalation is not None
    assert (execution.escalation.reason, execution.escalation.failures) == ("worker-1: broken", 1)
    token = begin(sim)
    assert end(sim, Succeeded({"paged": "anna"}), token)
    assert (sim.run.status, sim.failures()) == ("failed", [("a", "broken")])
    assert escalation(sim)[1].output == {"paged": "anna"}
    assert sim.story() == [
        "flow_started",
        "step_dispatched a@worker-1",
        "step_target_failed a@worker-1",
        "step_failed a",
        "step_skipped b",
        "supervisor_escalation a",
        "flow_failed",
    ]
    assert not [row for row in sim.rows() if "lead-1" in row]
    assert sim.run.root_step_outputs == {}
    assert sim.statuses() == {"a": "Failed", "b": "Skipped"}


def test_engine_case_63_below_the_threshold_nothing_is_told() -> None:
    sim = failing(supervised({"a": step()}, threshold=2), "a")
    assert (sim.run.status, sim.escalations()) == ("failed", {})


def test_from_the_threshold_on_each_step_that_fails_is_told_of() -> None:
    sim = failing(supervised({"a": step(), "b": step(), "c": step()}, threshold=2), "a", "b", "c")
    told = {one.step_id: one.escalation for one in sim.escalations().values()}
    assert {step_id: one and one.failures for step_id, one in told.items()} == {"b": 2, "c": 3}


@pytest.mark.parametrize("threshold", [0, 1])
def test_without_a_threshold_or_a_supervisor_a_run_is_as_it_was(threshold: int) -> None:
    definition = supervised({"a": step()}, threshold=0) if threshold == 0 else mob({"a": step()})
    sim = failing(definition, "a")
    assert (sim.run.status, sim.escalations()) == ("failed", {})
    assert "escalates" not in sim.store.view.launch.model_dump_json()


def test_retries_are_no_failures() -> None:
    sim = failing(supervised({"a": step()}, max_step_retries=1), "a")
    assert not sim.escalations()
    sim.wait(HALF_A_MINUTE)
    sim.do("a")
    assert sim.run.status == "completed"


def test_a_step_is_told_of_once_however_often_it_fails() -> None:
    until = EqCondition(path="steps.good", value=1)
    steps = {"bad": single(condition=ALWAYS, branch="way"), "good": single(condition=ALWAYS, branch="way")}
    sim = failing(
        supervised(steps, {"l": loop("l", until, 3, bad=node("bad", branch="way"), good=node("good", branch="way"))}),
        "bad",
    )
    assert end(sim, Succeeded("told"), begin(sim))
    sim.do("good", 0)
    sim.fail("bad")
    assert escalation(sim)[1].output == "told"
    sim.do("good", 1)
    assert sim.run.status == "completed"
    assert sim.story().count("supervisor_escalation bad") == 1


def test_siblings_go_on_and_a_run_that_completes_completes() -> None:
    steps = {
        "bad": single(condition=ALWAYS, branch="way"),
        "good": single(condition=ALWAYS, branch="way"),
        "after": single(),
    }
    root: dict[str, Node] = {
        "bad": node("bad", branch="way"),
        "good": node("good", branch="way"),
        "after": node("after", "bad", "good", join="any"),
    }
    sim = failing(supervised(steps, root), "bad")
    sim.do("good")
    sim.do("after")
    assert sim.run.status == "running"
    assert end(sim, Failed("the pager is silent", retryable=False), begin(sim))
    assert sim.run.status == "completed"
    assert sim.story()[-2:] == ["step_target_failed bad@supervisor:lead-1", "flow_completed"]


def test_its_failure_is_recorded_and_changes_nothing() -> None:
    sim = failing(supervised({"a": step()}), "a")
    assert end(sim, Failed("the pager is down", retryable=False), begin(sim))
    assert (sim.run.status, sim.failures()) == ("failed", [("a", "broken")])
    _, execution = escalation(sim)
    assert (execution.status, execution.reason) == (ExecutionStatus.FAILED, "the pager is down")
    told = sim.store.events[-2]
    assert told == StepTargetFailed(
        run_id=sim.run_id,
        step_id="a",
        target=AgentRuntimeId(identity="supervisor:lead-1", generation=0),
        reason="the pager is down",
    )
    assert getattr(sim.store.events[-1], "reason", None) == "step 'a': broken"


def test_it_is_tried_again_like_a_step_that_says_nothing_of_retries() -> None:
    sim = failing(supervised({"a": step(retry=None)}, max_step_retries=1), "a")
    sim.wait(HALF_A_MINUTE)
    sim.fail("a")
    assert end(sim, Failed("busy"), begin(sim))
    _, execution = escalation(sim)
    assert (execution.status, execution.attempt, execution.reason) == (ExecutionStatus.WAITING, 2, "busy")
    assert sim.story()[-1] == "step_failed a"
    sim.wait(timedelta(seconds=1))
    assert end(sim, Succeeded(None), begin(sim))
    assert sim.run.status == "failed"


def test_no_schema_of_the_step_and_no_retry_of_it_holds_for_the_supervisor() -> None:
    schema = '{"type": "integer"}'
    sim = failing(supervised({"a": step(expected_schema_ref=schema, timeout_ms=5)}), "a")
    token = begin(sim)
    lease = escalation(sim)[1].lease
    assert lease is not None
    assert lease.deadline == NOON + HALF_A_MINUTE
    assert end(sim, Succeeded("a text"), token)
    assert escalation(sim)[1].output == "a text"


def test_the_time_that_meerkat_names_counts_where_there_is_no_other() -> None:
    def spec(**times: Any) -> SupervisorSpec:
        return SupervisorSpec.model_validate({"role": "r", "escalation_threshold": 1, **times})

    assert timeout_ms_of(spec(escalation_turn_timeout_ms=7)) == 7
    assert timeout_ms_of(spec(escalation_turn_timeout_ms=7, timeout_ms=5)) == 5
    assert timeout_ms_of(spec(escalation_turn_timeout_ms=None)) == timeout_ms_of(None) == 30_000


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(None, 30), (2_000, 2)])
def test_engine_case_64_a_supervisor_that_hangs_holds_up_the_end_for_its_timeout(
    timeout_ms: int | None, seconds: int
) -> None:
    sim = failing(supervised({"a": step()}, timeout_ms=timeout_ms), "a")
    begin(sim)
    over = NOON + timedelta(seconds=seconds) + OVERDUE
    sim.advance()
    assert sim.store.run_due == NOON + timedelta(seconds=seconds)
    sim.store.now = NOON + timedelta(seconds=seconds)  # its worker has time to say so itself
    assert not sim.advance()
    handed_back = engine.give_back(sim.store.load())
    assert handed_back is not None
    assert handed_back.look_again_at == over
    sim.store.now = over
    assert sim.advance()
    assert sim.run.status == "failed"
    assert escalation(sim)[1].reason == f"timeout after {seconds * 1000}ms"


def test_a_supervisor_that_no_worker_serves_holds_up_the_end_for_its_timeout() -> None:
    sim = failing(supervised({"a": step()}), "a")
    assert sim.store.run_due == NOON + HALF_A_MINUTE
    sim.store.now = NOON + HALF_A_MINUTE
    key, _ = escalation(sim)
    claim = sim.claimed(key)  # a worker that comes just then is too late
    assert claim is not None
    sim.commit(claim)
    assert sim.run.status == "failed"
    assert escalation(sim)[1].reason == "timeout after 30000ms: no worker that serves role 'lead' has begun it"


def test_a_fact_does_not_begin_what_is_late() -> None:
    sim = failing(supervised({"a": step()}), "a")
    sim.store.now = NOON + HALF_A_MINUTE
    claims = (Claim(escalation(sim)[0]),)
    noted = engine.note(sim.store.load(), sim.definition, claims=claims, claimant=Claimant("late"), random=sim.random)
    assert (noted.claimed, noted.passed_over) == ((), True)


def test_a_role_without_members_is_a_failed_escalation() -> None:
    sim = failing(supervised({"a": step()}), "a", leads=0)
    assert sim.run.status == "failed"
    assert escalation(sim)[1].reason == "role 'lead' has no members"
    assert "step_target_failed a@supervisor:lead" in sim.story()


def test_the_least_loaded_member_is_told() -> None:
    sim = failing(supervised({"a": step(), "b": step()}), "a", "b", leads=2)
    assert {key.target: one.step_id for key, one in sim.escalations().items()} == {"lead-1": "a", "lead-2": "b"}


def test_a_lost_worker_tells_again_with_a_higher_token_and_the_late_answer_is_refused() -> None:
    sim = failing(supervised({"a": step()}), "a")
    first = begin(sim)
    key, _ = escalation(sim)
    sim.store.lose(key, HowLost.ALONE)
    second = begin(sim)
    assert second == first + 1
    assert not end(sim, Succeeded("late"), first)
    assert end(sim, Succeeded("told"), second)
    assert escalation(sim)[1].output == "told"
    assert sim.story().count("supervisor_escalation a") == 1


def test_a_run_that_is_canceled_meanwhile_is_canceled() -> None:
    sim = failing(supervised({"a": step()}), "a")
    begin(sim)
    sim.store.request_cancel()
    assert sim.advance()
    assert (sim.run.status, escalation(sim)[1].status) == ("canceled", ExecutionStatus.CANCELED)
    assert not [row for row in sim.rows() if "lead-1" in row]


def test_a_flow_whose_time_is_over_meanwhile_ends_as_it_had_ended() -> None:
    sim = failing(supervised({"a": step()}, max_flow_duration_ms=1_000), "a")
    begin(sim)
    lease = escalation(sim)[1].lease
    assert lease is not None
    assert lease.deadline == NOON + timedelta(seconds=1)
    sim.store.now += timedelta(seconds=1)
    assert sim.advance()
    assert (sim.run.status, sim.failures()) == ("failed", [("a", "broken")])
    assert escalation(sim)[1].reason == "max flow duration exceeded"


def test_a_flow_whose_time_is_over_while_it_works_tells_of_nothing_more() -> None:
    sim = Simulation(supervised({"a": step(), "b": step()}, max_flow_duration_ms=1_000))
    sim.advance()
    sim.fail("a")
    token = sim.claim("b")
    sim.store.now += timedelta(seconds=1)
    assert sim.settle("b", Failed("late"), token=token)
    assert sim.run.status == "failed"
    assert [one.status for one in sim.escalations().values()] == [ExecutionStatus.CANCELED]


def test_a_run_that_an_older_release_has_started_does_not_escalate() -> None:
    definition = supervised({"a": step()})
    sim = Simulation(definition)
    launch = sim.store.view.launch
    assert launch.escalates
    sim.store.view = replace(sim.store.view, launch=launch.model_copy(update={"escalates": False}))
    sim.advance()
    sim.fail("a")
    assert (sim.run.status, sim.escalations()) == ("failed", {})
