"""From the views of a run to the rows of the table and the lines of the log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redis_mob.cli.progress import (
    Row,
    State,
    StepProgress,
    Stopwatch,
    changes,
    excerpt,
    fitted,
    pause_changes,
    rows,
    step_progress,
)
from redis_mob.fleet import engine
from redis_mob.fleet.outcome import Failed, NewAsk, Succeeded, Suspended
from redis_mob.models.conditions import EqCondition, GtCondition
from redis_mob.models.pause import Pause
from redis_mob.operations.step_times import Span
from redis_mob.testing.samples.states import NOON
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.simulation import Simulation

RUN_ID = "0191a6a0-0000-4000-8000-000000000001"
ONE_STEP = mob({"work": step()}, limits={"max_step_retries": 1})


def seen(simulation: Simulation) -> list[StepProgress]:
    return step_progress(simulation.store.load(), simulation.definition.flows[FLOW])


def table(simulation: Simulation) -> list[tuple[str, str, str, State, int | None]]:
    return [(row.step, row.iteration, row.who, row.state, row.attempt) for row in rows(seen(simulation))]


def test_steps_come_in_their_order_and_wait_under_their_role() -> None:
    simulation = Simulation(mob({"b": step("a", role="judge"), "a": step()}))
    assert table(simulation) == [
        ("a", "", "worker", State.WAITING, None),
        ("b", "", "judge", State.WAITING, None),
    ]


def test_a_step_under_way_has_a_row_for_each_member() -> None:
    simulation = Simulation(ONE_STEP, worker=11)
    simulation.advance()
    simulation.claim("work", "worker-10")
    found = table(simulation)
    assert [row[2] for row in found] == [f"worker-{number}" for number in range(1, 12)], "10 comes after 9"
    assert [row[3] for row in found] == [State.WAITING] * 9 + [State.RUNNING, State.WAITING]


def test_an_outcome_that_was_reported_shows_once_it_is_decided() -> None:
    simulation = Simulation(ONE_STEP)
    simulation.advance()
    token = simulation.claim("work")
    key = simulation.key("work", "worker-1")
    fact = engine.report(simulation.store.load(), simulation.definition, key, Succeeded(1), token=token)
    assert fact is not None
    simulation.commit(fact)
    assert [row[3] for row in table(simulation)] == [State.RUNNING]
    simulation.advance()
    assert [row[3] for row in table(simulation)] == [State.COMPLETED]


def test_changes_are_one_line_each() -> None:
    simulation = Simulation(ONE_STEP, worker=2)
    before = seen(simulation)

    def news() -> list[str]:
        nonlocal before
        last, before = before, seen(simulation)
        return changes(last, before)

    simulation.advance()
    assert news() == [], "waiting is no news"
    simulation.claim("work", "worker-1")
    assert news() == ["step work[worker-1] running attempt 1"]
    assert news() == []
    simulation.settle("work", Failed("no ink"), "worker-1")
    assert news() == ["step work[worker-1] waiting attempt 2: no ink"]
    simulation.do("work", 1, "worker-2")
    assert news() == ["step work[worker-2] completed attempt 1"], "one line for what happened between two looks"
    simulation.wait(timedelta(minutes=1))
    simulation.claim("work", "worker-1")
    assert news() == ["step work[worker-1] running attempt 2"], "what went wrong before is told already"
    simulation.settle("work", Failed("out of ink", retryable=False), "worker-1")
    assert news() == ["step work[worker-1] failed attempt 2: out of ink", "step work failed"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("one line", "one line"),
        ("a\nb\nc", "a\nb\nc"),
        ("\n".join("abcdefg"), "a\nb\nc\nd\ne…"),
        ("x" * 20, "x" * 20),
        ("x" * 21, "x" * 20 + "…"),
    ],
)
def test_the_first_lines_of_a_reason_are_shown(text: str, shown: str) -> None:
    assert excerpt(text, 20) == shown


def test_iterations_of_a_loop_are_rows_of_their_own() -> None:
    until = EqCondition(path="steps.polish.worker-1", value=2)
    simulation = Simulation(mob({"polish": step()}, {"again": loop("again", until, 3, polish=node("polish"))}))
    assert table(simulation) == [("polish", "", "worker", State.WAITING, None)]
    simulation.advance()
    simulation.do("polish", 1)
    simulation.claim("polish")
    assert table(simulation) == [
        ("polish", "1", "worker-1", State.COMPLETED, 1),
        ("polish", "2", "worker-1", State.RUNNING, 1),
    ]
    before = seen(simulation)
    simulation.settle("polish", Succeeded(2))
    assert changes(before, seen(simulation)) == [
        "step polish[worker-1] iteration 2 completed attempt 1",
        "step polish iteration 2 completed",
    ]


def test_iterations_of_nested_loops_name_the_outer_one_first() -> None:
    inner = loop("inner", GtCondition(path="steps.dig.worker-1", value=1), 2, dig=node("dig"))
    outer = loop("outer", EqCondition(path="steps.dig.worker-1", value=3), 2, inner=inner)
    simulation = Simulation(mob({"dig": step()}, {"outer": outer}))
    simulation.advance()
    for output in (1, 2, 3):
        simulation.do("dig", output)
    assert [(row[1], row[3]) for row in table(simulation)] == [
        ("1.1", State.COMPLETED),
        ("1.2", State.COMPLETED),
        ("2.1", State.COMPLETED),
    ]


def test_a_step_that_never_began_has_one_row_for_its_end() -> None:
    simulation = Simulation(mob({"first": step(), "second": step("first")}))
    simulation.advance()
    before = seen(simulation)
    simulation.store.request_cancel()
    simulation.advance()
    assert [row[3:] for row in table(simulation)] == [(State.CANCELED, 1), (State.CANCELED, None)]
    assert changes(before, seen(simulation)) == [
        "step first[worker-1] canceled attempt 1",
        "step first canceled",
        "step second canceled",
    ]


def test_time_runs_from_the_first_attempt_to_the_result() -> None:
    simulation, watch = Simulation(ONE_STEP), Stopwatch()
    simulation.advance()
    key = simulation.key("work", "worker-1")

    def look(seconds: float = 0) -> timedelta | None:
        simulation.wait(timedelta(seconds=seconds))
        watch.look(simulation.store.load())
        return watch.elapsed(key, simulation.store.now)

    assert look() is None, "it has not begun"
    simulation.claim("work")
    assert look() == timedelta(0)
    assert look(2) == timedelta(seconds=2)
    assert watch.elapsed(key, simulation.store.now + timedelta(seconds=1)) == timedelta(seconds=3), "between two looks"
    simulation.settle("work", Failed("no ink"))
    assert look(3) == timedelta(seconds=5), "the pause counts"
    simulation.do("work")
    assert look() == timedelta(seconds=5)
    assert look(100) == timedelta(seconds=5), "it is over"


def test_what_was_over_at_first_sight_began_after_the_look_before() -> None:
    simulation, watch = Simulation(ONE_STEP), Stopwatch()
    simulation.advance()
    watch.look(simulation.store.load())
    simulation.wait(timedelta(seconds=1))
    simulation.do("work")
    watch.look(simulation.store.load())
    assert watch.elapsed(simulation.key("work", "worker-1"), simulation.store.now) == timedelta(seconds=1)


def test_what_is_known_from_before_the_first_look_counts() -> None:
    simulation = Simulation(ONE_STEP)
    simulation.advance()
    simulation.claim("work")
    key, began = simulation.key("work", "worker-1"), simulation.store.now
    simulation.wait(timedelta(seconds=7))
    watch = Stopwatch({key: Span(began, began)})
    watch.look(simulation.store.load())
    assert watch.elapsed(key, simulation.store.now) == timedelta(seconds=7)
    over = Stopwatch({key: Span(began, began, began + timedelta(seconds=2))})
    over.look(simulation.store.load())
    assert over.elapsed(key, simulation.store.now) == timedelta(seconds=2)


def row(name: str, state: State) -> Row:
    return Row(name, "", "clerk", state, None, "", None)


def test_a_table_that_fits_is_left_alone() -> None:
    whole = [row("a", State.COMPLETED), row("b", State.RUNNING)]
    assert fitted(whole, 2) == (whole, "")


def test_a_long_table_keeps_what_runs_or_failed_and_counts_the_rest() -> None:
    states = [State.COMPLETED] * 3 + [State.FAILED, State.RUNNING, State.WAITING, State.WAITING, State.SKIPPED]
    whole = [row(str(number), state) for number, state in enumerate(states)]
    kept, dropped = fitted(whole, 3)
    assert [one.step for one in kept] == ["3", "4", "6"], "in their order; of two that wait, the latest"
    assert dropped == "1 waiting, 3 completed, 1 skipped"


def test_of_a_step_over_items_the_number_is_told_and_not_each_item() -> None:
    simulation = Simulation(mob({"work": step(for_each="params.items")}), {"items": [1, 2]})
    before = seen(simulation)
    simulation.advance()
    begun = seen(simulation)
    assert changes(before, begun) == ["step work running, 0 of 2 items"]
    simulation.do("work", member="worker-1#0")
    assert changes(begun, seen(simulation)) == []
    assert table(simulation) == [("work", "", "1 of 2 items", State.RUNNING, None)]
    simulation.do("work", member="worker-1#1")
    assert changes(begun, seen(simulation)) == ["step work completed, 2 of 2 items"]


@pytest.mark.parametrize("member", ["worker-1", "worker-1#0"], ids=["member", "item"])
def test_what_a_step_asks_people_is_told_at_once_and_stands_in_its_row(member: str) -> None:
    """Also to those who begin to watch when it asks already."""
    is_item = "#" in member
    simulation = Simulation(mob({"work": step(for_each="params.items" if is_item else None)}), {"items": [1]})
    unbegun = seen(simulation)
    simulation.advance()
    simulation.claim("work", member)
    before = seen(simulation)
    simulation.settle("work", Suspended((NewAsk("send it", 0, "digest", {"to": "ann"}),)), member)
    [ask] = simulation.execution("work", member).asks
    waits = f"waits for an answer to 'send it' (ask {ask.id})"
    begun = ["step work running, 0 of 1 items"] if is_item else []
    assert changes(before, seen(simulation)) == [f"step work[{member}] {waits}"]
    assert changes(unbegun, seen(simulation)) == [*begun, f"step work[{member}] {waits}"]
    assert changes(seen(simulation), seen(simulation)) == []
    assert rows(seen(simulation))[0].reason == (f"{member}: {waits}" if is_item else waits)


def test_a_pause_is_told_when_it_begins_and_when_the_last_one_ends() -> None:
    of_run = Pause(mob_id="m", flow_id="f", run_id=RUN_ID, since=NOON, reason='budget: it\'s "used up"')
    of_mob = Pause(mob_id="m", since=NOON, reason="a\x1b[31m")
    at = NOON.isoformat(timespec="seconds")
    assert pause_changes((), [of_run]) == [f'it is paused since {at}: budget: it\'s "used up"']
    assert pause_changes([of_run], [of_run, of_mob]) == [f"mob 'm' is paused since {at}: 'a\\x1b[31m'"]
    assert pause_changes([of_run, of_mob], [of_mob]) == []
    assert pause_changes([of_mob], []) == ["it is paused no more"]
