"""Times from the rows of the ledger: those that are certain, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.ledger import StepLedgerEntry, StepRunStatus
from redis_mob.models.run_outputs import SYSTEM_MEMBER
from redis_mob.operations.step_times import Span, StepTimes
from redis_mob.testing.samples.states import NOON

ROUNDS = {"root": (), "one": (1,), "two": (2,), "other": (1,)}


def at(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)


def row(status: str, seconds: float, member: str = "m") -> StepLedgerEntry:
    return StepLedgerEntry(
        step_id="a", agent_identity=member, status=StepRunStatus(status), output=None, timestamp=at(seconds)
    )


def execution(status: str, due: float = 0, attempt: int = 1) -> Execution:
    return Execution(step_id="a", role="r", message="", status=ExecutionStatus(status), due_at=at(due), attempt=attempt)


def key(frame: str, node: str = "a", member: str = "m") -> ExecutionKey:
    return ExecutionKey(frame, node, member)


def test_the_rows_of_a_loop_belong_to_its_iterations_in_order() -> None:
    ledger = [row("dispatched", 1), row("completed", 2), row("failed", 5)]
    executions = {key("two"): execution("failed", 3), key("one"): execution("completed", 0)}
    times = StepTimes(ledger, executions, ROUNDS, {})
    assert times.of(key("one")) == Span(at(0), at(1), at(2))
    assert times.of(key("two")) == Span(at(3), None, at(5))


def test_a_row_that_came_after_the_run_was_read_is_of_none() -> None:
    ledger = [row("dispatched", 1), row("completed", 2), row("completed", 5)]
    executions = {key("one"): execution("completed"), key("two"): execution("leased", 3)}
    assert StepTimes(ledger, executions, ROUNDS, {}).of(key("two")) == Span(at(3), None, None)


def test_no_time_is_guessed_where_rows_and_executions_do_not_agree() -> None:
    executions = {key("one"): execution("completed")}
    for ledger in ([row("failed", 2)], []):
        assert StepTimes(ledger, executions, ROUNDS, {}).of(key("one")).ended_at is None


def test_no_time_is_guessed_of_executions_that_may_have_been_at_the_same_time() -> None:
    ledger = [row("dispatched", 1), row("completed", 2), row("completed", 3)]
    executions = {key("one"): execution("completed"), key("other"): execution("completed")}
    times = StepTimes(ledger, executions, ROUNDS, {})
    assert times.of(key("one")) == times.of(key("other")) == Span()


def test_a_later_attempt_does_not_say_when_its_member_was_asked() -> None:
    times = StepTimes([row("dispatched", 1)], {key("root"): execution("waiting", 60, attempt=2)}, ROUNDS, {})
    assert times.of(key("root")) == Span(None, at(1), None)


def test_each_time_that_a_step_over_items_begins_there_is_a_row() -> None:
    ledger = [
        row("dispatched", 1, SYSTEM_MEMBER),
        row("completed", 2, "m#0"),
        row("completed", 3, "m#1"),
        row("dispatched", 5, SYSTEM_MEMBER),
        row("completed", 7, "m#0"),
        row("completed", 9, SYSTEM_MEMBER),
    ]
    times = StepTimes(ledger, {}, ROUNDS, {("two", "a"): "a", ("one", "a"): "a"})
    assert times.of_items(("one", "a")) == Span(at(1), at(1), at(3))
    assert times.of_items(("two", "a")) == Span(at(5), at(5), at(7))
    assert times.of_items(("root", "a")) == Span()


def test_the_row_of_an_item_is_not_of_the_same_item_in_a_later_iteration() -> None:
    nodes = {("one", "a"): "a", ("two", "a"): "a"}
    ledger = [row("dispatched", 1, SYSTEM_MEMBER), row("dispatched", 2, "m#0"), row("completed", 3, "m#0")]
    for attempt, asked in ((1, at(5)), (2, None)):
        open_item = {key("two", member="m#0"): execution("leased", 5, attempt)}
        assert StepTimes(ledger, open_item, ROUNDS, nodes).of(key("two", member="m#0")) == Span(asked, None, None)
    retried = {key("one", member="m#0"): execution("waiting", 5, attempt=2)}
    assert StepTimes(ledger, retried, ROUNDS, nodes).of(key("one", member="m#0")) == Span(None, at(2), None)
