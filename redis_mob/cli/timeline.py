"""The steps of a run along its time, as bars that fit a width. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from redis_mob.cli.console import printable
from redis_mob.cli.words import STYLES, duration_text
from redis_mob.fleet.waiters import signal_of
from redis_mob.models.states import State
from redis_mob.operations.run_description import MemberDescription, RunDescription, StepDescription

AT_WORK, PAUSED, AWAITING, FAILED = "█", "─", "╌", "✗"

MOST_MEMBERS = 10
"""Members of a step that have rows of their own, unless all are asked for; of more, the step has one row."""

LEAST_BAR = 10
_TITLE = "timeline"
_LONGEST_TIME = 9


class Row(NamedTuple):
    """A bar: times of which something was at work or paused, and of failed attempts."""

    label: str
    state: State
    at_work: Sequence[tuple[datetime, datetime]]
    paused: Sequence[tuple[datetime, datetime, str]]
    failed: Sequence[datetime]
    seconds: float | None


def timeline(run: RunDescription, columns: int, *, all_of_it: bool = False) -> Iterator[Text]:
    """A line for each member of each step that has begun, at most `columns` wide."""
    rows = list(_rows(run, all_of_it=all_of_it))
    begin, end = run.begins_at, max(run.completed_at or run.now, run.begins_at)
    labels = min(max([len(_TITLE), *(cell_len(row.label) for row in rows)]), max(columns // 3, 12))
    width = max(columns - labels - _LONGEST_TIME - 3, LEAST_BAR)
    total = duration_text((end - begin).total_seconds())
    yield Text(f"{set_cell_size(_TITLE, labels)}  0 s{total:>{max(width - 3, 0)}}", style="dim")
    scale = _Scale(begin, (end - begin).total_seconds() / width, width)
    for row in rows:
        seconds = "" if row.seconds is None else duration_text(row.seconds)
        label = _fitted(row.label, labels)
        yield Text.assemble(label, "  ", (scale.bar(row), STYLES[row.state]), f" {seconds:>{_LONGEST_TIME}}")
    left = sum(1 for _, step in run.each_step() if step.began_at is None)
    if left:
        steps = f"{left:,} step{'' if left == 1 else 's'}"
        yield Text(f"{steps} without a time: not begun, skipped, carried over, or not known", "dim")
    known = f"{FAILED} failed attempt" if run.has_attempts else "single attempts are not known: their events are gone"
    yield Text(
        f"{AT_WORK} at work  {PAUSED} queued, or between attempts  {AWAITING} waits for a signal  {known}", "dim"
    )


def _fitted(label: str, cells: int) -> str:
    return set_cell_size(label if cell_len(label) <= cells else f"{set_cell_size(label, cells - 1)}…", cells)


class _Scale(NamedTuple):
    begin: datetime
    seconds_per_cell: float
    width: int

    def cell(self, moment: datetime) -> int:
        seconds = (moment - self.begin).total_seconds()
        at = int(seconds / self.seconds_per_cell) if self.seconds_per_cell > 0 else 0
        return min(max(at, 0), self.width - 1)

    def bar(self, row: Row) -> str:
        cells = [" "] * self.width
        for began, ended, sign in row.paused:
            self._fill(cells, began, ended, sign)
        for began, ended in row.at_work:
            self._fill(cells, began, ended, AT_WORK)
        for moment in row.failed:
            cells[self.cell(moment)] = FAILED
        return "".join(cells)

    def _fill(self, cells: list[str], began: datetime, ended: datetime, sign: str) -> None:
        first, last = self.cell(began), self.cell(ended)
        cells[first : last + 1] = sign * (last + 1 - first)


def _rows(run: RunDescription, *, all_of_it: bool) -> Iterator[Row]:
    for rounds, step in run.each_step():
        iteration = f" {'.'.join(map(str, rounds))}" if rounds else ""
        name = f"{printable(step.step_id)}{iteration}"
        many = len(step.members) > MOST_MEMBERS and not all_of_it
        if step.items is not None or not step.members or many:
            yield from _of_step(run, name, step)
            continue
        for member in step.members:
            label = name if len(step.members) == 1 else f"{name} [{printable(member.member)}]"
            yield from _of_member(run, label, member)


def _of_step(run: RunDescription, label: str, step: StepDescription) -> Iterator[Row]:
    if step.began_at is not None:
        ended = step.ended_at or run.completed_at or run.now
        yield Row(label, step.state, [(step.began_at, ended)], (), (), step.seconds)


def _of_member(run: RunDescription, label: str, member: MemberDescription) -> Iterator[Row]:
    start = min((one for one in (member.queued_at, member.began_at) if one is not None), default=None)
    if start is None and member.attempts:
        start = member.attempts[0].began_at
    if start is None:
        return
    end = member.ended_at or run.completed_at or run.now
    is_signal = signal_of(member.member) is not None
    paused = [(start, end, AWAITING if is_signal else PAUSED)]
    if is_signal:
        at_work: list[tuple[datetime, datetime]] = []
    elif member.child is not None:
        at_work = [(start, end)]
    elif member.attempts:
        at_work = [(one.began_at, one.ended_at or end) for one in member.attempts]
    else:
        has_begun = member.began_at is not None or member.state.is_final
        at_work = [(member.began_at or start, end)] if has_begun and member.state is not State.WAITING else []
    failed = [one.ended_at for one in member.attempts if one.outcome == "failed" and one.ended_at is not None]
    yield Row(label, member.state, at_work, paused, failed, member.seconds)
