"""Attempts: what is tried again and when, who may take over, whose result counts (contract: engine-16, engine-20)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from redis_mob import StepFailed
from redis_mob.codec.arguments import LONGEST
from redis_mob.fleet import engine
from redis_mob.fleet.outcome import Failed, Succeeded
from redis_mob.fleet.takeover import MOST_LOST, is_to_be_alone
from redis_mob.models.execution import END_OF_TIME, OVERDUE, Claim, ExecutionStatus, HowLost
from redis_mob.models.flow_events import StepTargetFailed
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from tests.fleet.flows import mob, step
from tests.fleet.simulation import NOON, Simulation

SECOND = timedelta(seconds=1)


def begun(*, retries: int = 0, members: int = 1, duration: int | None = None, **more: Any) -> Simulation:
    limits = {"max_step_retries": retries}
    if duration is not None:
        limits["max_flow_duration_ms"] = duration
    sim = Simulation(mob({"a": step(**more)}, limits=limits), worker=members)
    assert sim.advance()
    return sim


def wait_for_retry(sim: Simulation) -> timedelta:
    """Lets the pause before the next attempt pass, and says how long it was."""
    pause = sim.execution("a").due_at - sim.store.now
    sim.store.now += pause
    return pause


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_engine_case_18_retries_bound_the_dispatches(retries: int) -> None:
    sim = begun(retries=retries)
    for _ in range(retries + 1):
        assert sim.run.status is MobRunStatus.RUNNING
        wait_for_retry(sim)
        sim.fail("a")
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.story().count("step_dispatched a@worker-1") == retries + 1
    assert sim.story().count("step_target_failed a@worker-1") == retries + 1


def test_engine_case_19_one_dispatched_row_over_three_attempts() -> None:
    sim = begun(retries=2)
    for attempt in (1, 2, 3):
        assert sim.execution("a").attempt == attempt
        wait_for_retry(sim)
        sim.fail("a")
    assert sim.rows("dispatched") == ["a@worker-1 dispatched"]


def test_engine_case_20_reason_and_typed_error_reach_event_and_ledger() -> None:
    sim = begun()
    sim.fail("a", "no such file", error_class="FileNotFoundError", detail={"path": "x"}, retryable=False)
    [event] = [event for event in sim.store.events if isinstance(event, StepTargetFailed)]
    [row] = sim.run.failure_ledger
    for told in (event, row):
        assert told.reason == "no such file"
        assert told.error_report is not None
        assert told.error is not None
        assert told.error_report.error_class == "tool"
        assert told.error_report.reason == {"exception": "FileNotFoundError", "detail": {"path": "x"}}
        assert (told.error.kind, told.error.terminal, told.error.retryable) == ("tool_failure", True, False)
        assert told.error.detail == '{"path":"x"}'


def test_engine_case_21_one_failure_entry_per_failed_target() -> None:
    sim = begun(retries=1, members=2, policy="any")
    for member in ("worker-1", "worker-2"):
        for attempt in (1, 2):
            sim.wait(SECOND)
            sim.fail("a", f"{member} {attempt}", member=member)
    assert sim.failures() == [("a", "worker-1 2"), ("a", "worker-2 2")]


def test_engine_case_22_a_timeout_is_told_everywhere() -> None:
    sim = begun()
    sim.fail("a", "timeout after 5ms")
    assert sim.failures() == [("a", "timeout after 5ms")]
    assert "a@worker-1 failed" in sim.rows()
    assert sim.story()[-3:] == ["step_target_failed a@worker-1", "step_failed a", "flow_failed"]


@pytest.mark.parametrize("outcome", [Succeeded("late"), Failed("late")])
def test_engine_case_23_a_late_result_is_refused(outcome: Succeeded | Failed) -> None:
    sim = begun(retries=1)
    token = sim.claim("a", owner="slow")
    sim.settle("a", Failed("timeout after 1ms"))
    assert not sim.settle("a", outcome, token=token)
    wait_for_retry(sim)
    sim.claim("a", owner="second")
    before = sim.store.view
    assert not sim.settle("a", outcome, token=token)
    assert sim.store.view == before


def test_a_result_counts_once() -> None:
    sim = begun(members=2)
    token = sim.claim("a")
    assert sim.settle("a", Succeeded(1), token=token)
    before = sim.store.view
    assert not sim.settle("a", Succeeded(2), token=token)
    assert sim.store.view == before


def test_pauses_double_from_100_ms_to_half_a_minute() -> None:
    sim = begun(retries=20)
    pauses: list[timedelta] = []
    for _ in range(20):
        sim.fail("a")
        pauses.append(wait_for_retry(sim))
    for number, pause in enumerate(pauses):
        full = timedelta(seconds=min(0.1 * 2**number, 30))
        assert full / 2 <= pause <= full
    assert len(set(pauses)) == len(pauses), "no jitter"


def test_a_step_has_retries_of_its_own_beside_the_limits() -> None:
    retry = RetrySpec(attempts=4, first=2, factor=3, most=10, jitter=0)
    sim = begun(retries=0, retry=retry)
    pauses: list[timedelta] = []
    for _ in range(3):
        sim.fail("a")
        pauses.append(wait_for_retry(sim))
    assert pauses == [2 * SECOND, 6 * SECOND, 10 * SECOND]
    assert sim.run.status is MobRunStatus.RUNNING
    sim.fail("a", "the last one")
    assert sim.failures() == [("a", "the last one")]
    assert sim.run.status is MobRunStatus.FAILED


def test_one_attempt_in_all_is_no_retry_if_the_limits_allow_more() -> None:
    sim = begun(retries=5, retry=RetrySpec(attempts=1))
    sim.fail("a")
    assert sim.run.status is MobRunStatus.FAILED


def test_retries_without_a_number_of_attempts_leave_that_to_the_limits() -> None:
    sim = begun(retries=1, retry=RetrySpec(first=7, jitter=0))
    sim.fail("a")
    assert wait_for_retry(sim) == 7 * SECOND
    sim.fail("a")
    assert sim.run.status is MobRunStatus.FAILED


@pytest.mark.parametrize(("jitter", "least"), [(0.0, 8), (0.25, 6), (1.0, 0)])
def test_jitter_is_the_part_of_the_pause_that_is_left_to_chance(jitter: float, least: int) -> None:
    sim = begun(retry=RetrySpec(attempts=300, first=8, factor=1, jitter=jitter))
    pauses: list[timedelta] = []
    for _ in range(200):
        sim.fail("a")
        pauses.append(wait_for_retry(sim))
    assert least * SECOND <= min(pauses) <= (least + 0.2) * SECOND
    assert max(pauses) <= 8 * SECOND
    assert len(set(pauses)) > 100 or not jitter


def test_other_steps_keep_the_retries_of_the_limits() -> None:
    sim = Simulation(mob({"a": step(retry=RetrySpec(attempts=1)), "b": step()}, limits={"max_step_retries": 1}))
    sim.advance()
    sim.fail("b")
    assert sim.execution("b").status is ExecutionStatus.WAITING
    sim.fail("a")
    assert sim.execution("a").status is ExecutionStatus.FAILED


def test_an_attempt_that_was_lost_makes_no_pause_longer_and_uses_no_attempt() -> None:
    sim = begun(retry=RetrySpec(attempts=2, first=3, jitter=0))
    sim.claim("a")
    sim.lose("a")
    sim.fail("a")
    assert wait_for_retry(sim) == 3 * SECOND


@pytest.mark.parametrize("reported", [False, True])
def test_the_next_attempt_comes_after_what_the_handler_asked_for(*, reported: bool) -> None:
    sim = begun(retry=RetrySpec(attempts=9, first=1, most=2, jitter=0))
    for asked, pause in ((45 * SECOND, 45 * SECOND), (SECOND / 10, 2 * SECOND), (None, 2 * SECOND)):
        token = sim.claim("a")
        failed = Failed("busy", retry_after=asked)
        if reported:
            transition = engine.report(sim.store.load(), sim.definition, sim.key("a", "worker-1"), failed, token=token)
            assert transition is not None
            assert sim.commit(transition)
            assert sim.execution("a").status is ExecutionStatus.REPORTED
            assert sim.advance()
        else:
            assert sim.settle("a", failed)
        assert wait_for_retry(sim) == pause


def test_what_a_handler_asks_for_is_rounded_up_while_it_waits_for_a_decision() -> None:
    failed = Failed("busy", retry_after=timedelta(microseconds=1))
    assert Failed.of(failed.reported()).retry_after == timedelta(milliseconds=1)


def test_a_wait_beyond_the_end_of_the_flow_makes_the_failure_final() -> None:
    sim = begun(retries=5, duration=60_000)
    sim.fail("a", "busy", retry_after=59 * SECOND)
    assert sim.run.status is MobRunStatus.RUNNING
    wait_for_retry(sim)
    sim.fail("a", "busy", retry_after=60 * SECOND)
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.failures() == [("a", "busy")]


def test_the_longest_wait_is_within_the_calendar() -> None:
    sim = begun(retries=1)
    sim.fail("a", retry_after=StepFailed("busy", retry_after=LONGEST).retry_after)
    assert wait_for_retry(sim) == LONGEST


def test_an_attempt_does_not_begin_before_its_pause_is_over() -> None:
    sim = begun(retries=1)
    sim.fail("a")
    key = sim.key("a", "worker-1")
    due = sim.execution("a").due_at
    for now, may in ((due - timedelta(microseconds=1), False), (due, True)):
        sim.store.now = now
        transition = sim.claimed(key)
        assert (transition is not None) is may


def test_a_worker_that_knows_of_its_report_alone_reads_again_to_claim_the_next_attempt() -> None:
    """Another worker has decided on the report; a claim that is dropped would be hidden from all for a whole lease."""
    sim = Simulation(mob({"a": step()}, limits={"max_step_retries": 1}))
    sim.advance()
    token, key = sim.claim("a"), sim.key("a", "worker-1")
    fact = engine.report(sim.store.load(), sim.definition, key, Failed("broken"), token=token)
    assert fact is not None
    sim.commit(fact)
    assert sim.advance()
    sim.wait(sim.execution("a").due_at - NOON)

    def noted(view: RunView) -> engine.Decision:
        claims, claimant = (Claim(key),), engine.Claimant("one")
        return engine.note(view, sim.definition, claims=claims, claimant=claimant, random=sim.random)

    assert (noted(fact.after()).passed_over, noted(fact.after()).claimed) == (True, ())
    assert noted(sim.store.load()).claimed == (key,)


def test_what_cannot_be_helped_is_not_tried_again() -> None:
    sim = begun(retries=5)
    sim.fail("a", "bad input", retryable=False)
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.failures() == [("a", "bad input")]


def test_no_attempt_begins_after_the_end_of_the_flow() -> None:
    sim = begun(retries=5, duration=1000)
    sim.wait(timedelta(milliseconds=995))
    sim.fail("a", "broken")
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.failures() == [("a", "broken")]


def test_each_member_has_attempts_of_its_own() -> None:
    sim = begun(retries=1, members=2)
    sim.fail("a", member="worker-1")
    sim.do("a", member="worker-2")
    wait_for_retry(sim)
    sim.do("a", member="worker-1")
    assert sim.run.status is MobRunStatus.COMPLETED
    assert (sim.execution("a", "worker-1").attempt, sim.execution("a", "worker-2").attempt) == (2, 1)


def test_an_execution_has_one_owner() -> None:
    sim = begun()
    sim.claim("a", owner="first")
    key = sim.key("a", "worker-1")
    sim.wait(timedelta(seconds=30) + OVERDUE - timedelta(microseconds=1))
    assert sim.claimed(key, "x") is None


def test_what_its_worker_does_not_end_long_after_its_deadline_fails_and_is_tried_again() -> None:
    sim = begun(retries=1)
    token = sim.claim("a", owner="stuck")
    sim.wait(timedelta(seconds=30) + OVERDUE)
    ended = sim.claimed(sim.key("a", "worker-1"), "x")
    assert ended is not None
    sim.commit(ended)
    assert sim.execution("a").reason == "timeout: worker 'stuck' had not ended it 10 s after its deadline"
    assert not sim.settle("a", Succeeded("late"), token=token)
    wait_for_retry(sim)
    sim.do("a")
    assert sim.run.status is MobRunStatus.COMPLETED


def test_what_a_lost_worker_held_goes_to_the_one_that_takes_it_and_costs_no_attempt_of_the_step() -> None:
    sim = begun(retries=0)
    first = sim.claim("a", owner="lost")
    sim.lose("a")
    second = sim.claim("a", owner="successor")
    assert second > first
    execution = sim.execution("a")
    assert (execution.attempt, execution.lost) == (2, 1)
    assert execution.lease is not None
    assert execution.lease.owner == "successor"
    assert not sim.settle("a", Succeeded("of the lost one"), token=first)
    assert sim.settle("a", Succeeded("of the successor"), token=second)
    assert sim.run.status is MobRunStatus.COMPLETED
    assert sim.run.root_step_outputs == {"a": {"worker-1": "of the successor"}}


def test_a_failure_after_a_lost_worker_leaves_all_retries() -> None:
    sim = begun(retries=1)
    sim.claim("a")
    sim.lose("a")
    sim.fail("a")
    assert sim.execution("a").status is ExecutionStatus.WAITING
    wait_for_retry(sim)
    sim.fail("a")
    assert sim.run.status is MobRunStatus.FAILED


@pytest.mark.parametrize("how", HowLost)
def test_no_way_to_lose_a_worker_uses_up_a_retry(how: HowLost) -> None:
    sim = begun(retries=1)
    for _ in range(MOST_LOST):
        sim.claim("a")
        sim.lose("a", how=how)
    sim.fail("a")
    assert sim.execution("a").status is ExecutionStatus.WAITING
    wait_for_retry(sim)
    sim.fail("a")
    assert sim.run.status is MobRunStatus.FAILED


def test_a_result_after_the_lease_but_before_a_successor_is_welcome() -> None:
    sim = begun()
    token = sim.claim("a")
    sim.lose("a")
    assert sim.settle("a", Succeeded(1), token=token)
    assert sim.run.status is MobRunStatus.COMPLETED


def test_an_execution_that_loses_every_worker_fails() -> None:
    sim = begun(retries=5)
    for number in range(MOST_LOST + 1):
        sim.claim("a", owner=f"worker {number}")
        sim.lose("a")
    transition = sim.claimed(sim.key("a", "worker-1"))
    assert transition is not None
    sim.commit(transition)
    assert sim.run.status is MobRunStatus.FAILED
    assert sim.failures() == [
        (
            "a",
            "its worker stopped renewing its lease while it executed this and nothing else: 'worker 3' on host 'host', "
            "at 2026-03-01T12:00:00.000+00:00; 3 workers before it were lost with it as their one suspect",
        )
    ]
    assert sim.execution("a").lease is None


@pytest.mark.parametrize("how", [HowLost.AMONG_OTHERS, HowLost.HANDED_BACK, HowLost.SUSPECT_HANDED_BACK])
def test_what_was_never_the_one_suspect_of_a_lost_worker_does_not_fail_for_it(how: HowLost) -> None:
    sim = begun(retries=0)
    for _ in range(3 * MOST_LOST):
        sim.claim("a")
        sim.lose("a", how=how)
    sim.do("a")
    assert sim.run.status is MobRunStatus.COMPLETED
    execution = sim.execution("a")
    assert (execution.lost, execution.suspect) == (0, False)
    assert execution.attempt == (1 if how.is_orderly else 1 + 3 * MOST_LOST)


def test_only_a_worker_that_did_nothing_else_convicts() -> None:
    """Beside others, also the one suspect may be innocent each time."""
    sim = begun(retries=0)
    for _ in range(3 * MOST_LOST):
        sim.claim("a")
        sim.lose("a", how=HowLost.ONLY_SUSPECT)
    sim.claim("a")
    assert (sim.execution("a").lost, sim.execution("a").suspect) == (MOST_LOST, True)
    assert is_to_be_alone(sim.execution("a"))
    sim.lose("a", how=HowLost.ALONE)
    transition = sim.claimed(sim.key("a", "worker-1"))
    assert transition is not None
    sim.commit(transition)
    assert sim.run.status is MobRunStatus.FAILED


def test_a_suspect_that_comes_to_an_end_is_none_any_more() -> None:
    sim = begun(retries=1)
    sim.claim("a")
    sim.lose("a")
    sim.fail("a")
    assert (sim.execution("a").lost, sim.execution("a").suspect) == (1, False)


def test_the_time_of_an_attempt() -> None:
    cases = ((None, 30_000), (5, 5), (0, 0))
    for timeout, milliseconds in cases:
        sim = begun(timeout_ms=timeout)
        sim.claim("a")
        lease = sim.execution("a").lease
        assert lease is not None
        assert lease.deadline == NOON + timedelta(milliseconds=milliseconds)


def test_the_end_of_the_flow_cuts_the_time_of_an_attempt() -> None:
    sim = begun(timeout_ms=5000, duration=1000)
    sim.claim("a")
    lease = sim.execution("a").lease
    assert lease is not None
    assert lease.deadline == NOON + SECOND


def test_times_beyond_the_calendar_are_the_end_of_time() -> None:
    sim = begun(timeout_ms=2**64 - 1, duration=2**64 - 1)
    sim.claim("a")
    lease = sim.execution("a").lease
    assert lease is not None
    assert lease.deadline == END_OF_TIME == sim.store.view.deadline
