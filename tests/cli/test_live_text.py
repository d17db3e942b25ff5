"""What members at work tell, on one line, and at most once a second where lines stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from redis_mob.cli.live_text import MOST_SHOWN, LiveText, PacedLines
from redis_mob.cli.progress import MemberProgress, State, StepProgress
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.progress import ProgressReport, RunOver, StreamChunk, StreamEnd, StreamReset

KEY = ExecutionKey("root", "draft", "writer-1")


def of(member: str = "writer-1", step: str = "draft") -> dict[str, Any]:
    return {
        "offset": 1,
        "at": datetime.now(UTC),
        "step_id": step,
        "node_id": step,
        "frame_id": "root",
        "iteration": None,
        "member": member,
        "attempt": 1,
        "fencing_token": 1,
    }


def report(fraction: float | None = None, message: str | None = None, **source: str) -> ProgressReport:
    return ProgressReport(**of(**source), fraction=fraction, message=message)


def chunk(value: Any, topic: str = "output") -> StreamChunk:
    return StreamChunk(**of(), topic=topic, number=0, lost=0, value=value)


def running(*members: str, state: State = State.RUNNING, iteration: tuple[int, ...] = ()) -> list[StepProgress]:
    at_work = tuple(MemberProgress(ExecutionKey("root", "draft", member), state, 1, "") for member in members)
    return [StepProgress("draft", iteration, "writer", State.RUNNING, at_work)]


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ([], ""),
        ([report(0.3)], "30%"),
        ([report(0.3, "one"), report(message="two\n words")], "two words"),
        ([report()], ""),
        ([chunk("Once "), chunk("upon\na time")], "Once upon a time"),
        ([chunk("Once"), report(1.0, "done")], "100% done Once"),
        ([chunk({"no": "text"}), chunk("of programs", "logs")], ""),
        ([report(message="x" * 200)], "x" * MOST_SHOWN),
        ([chunk("x" * 200 + "end")], "…" + "x" * (MOST_SHOWN - 3) + "end"),
        ([report(0.5), StreamReset(**of()), chunk("again")], "again"),
        ([chunk("Once"), StreamEnd(**of(), succeeded=True), RunOver(offset=9, status="completed")], ""),  # pyright: ignore[reportArgumentType]
    ],
)
def test_the_latest_report_is_shown_and_the_end_of_what_is_streamed(entries: list[Any], shown: str) -> None:
    text = LiveText()
    for entry in entries:
        text.add(entry)
    assert text.of(KEY) == shown
    assert text.of(KEY._replace(target="writer-2")) == ""


def test_a_step_has_a_line_at_once_and_another_one_a_second_later_with_the_latest() -> None:
    lines = PacedLines()
    lines.add(report(0.1))
    assert lines.due(running("writer-1"), 50.0) == ["step draft[writer-1] 10%"]
    assert lines.due(running("writer-1"), 60.0) == [], "nothing is new"
    assert lines.wait(60.0) is None
    lines.add(report(0.2))
    assert lines.due(running("writer-1", iteration=(1, 2)), 60.0) == ["step draft[writer-1] iteration 1.2 20%"]
    lines.add(report(0.3))
    lines.add(report(0.4))
    assert lines.due(running("writer-1"), 60.9) == []
    assert lines.wait(60.75) == 0.25
    assert lines.wait(60.99) == 0.1
    assert lines.due(running("writer-1"), 61.0) == ["step draft[writer-1] 40%"]


def test_members_of_one_step_share_its_lines_and_other_steps_have_their_own() -> None:
    lines = PacedLines()
    for member in ("writer-1", "writer-2"):
        lines.add(report(0.5, member=member))
    lines.add(report(0.7, step="other"))
    other = [StepProgress("other", (), "writer", State.RUNNING, running("x")[0].members)]
    assert lines.due(running("writer-1", "writer-2") + other, 0.0) == ["step draft[writer-2] 50%"]


def test_what_is_told_before_the_run_shows_the_member_at_work_waits_and_what_has_ended_is_not_said() -> None:
    lines = PacedLines()
    lines.add(report(0.1))
    assert lines.due([], 0.0) == lines.due(running("writer-1", state=State.WAITING), 0.0) == []
    assert lines.wait(0.0) is not None
    lines.add(StreamEnd(**of(), succeeded=True))
    assert lines.due(running("writer-1"), 5.0) == []
    assert lines.wait(5.0) is None
