"""How a run is shown while it goes on: a live table on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from redis_mob.cli.console import printable
from redis_mob.cli.live_text import LiveText, PacedLines
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
from redis_mob.cli.words import SHORT_REASON, STYLES, duration_text
from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.pause import Pause
from redis_mob.models.progress import ProgressEntry
from redis_mob.models.transition import RunView
from redis_mob.operations.step_times import Span

REFRESHES_PER_SECOND = 4
FINAL_ROWS = 200
"""Rows of the table that stays when the run is over."""

_FRAME_LINES = 8
"""Lines of the screen that are not rows: header, borders, what was left out, the prompt."""


class Display(Protocol):
    """Shows one run to a person."""

    def show(self, view: RunView, workers: int) -> None:
        """A new view of the run, and how many workers there are."""
        ...

    def tell(self, entry: ProgressEntry | None) -> None:
        """What a handler tells while it is at work; None if nothing new came, but time has passed."""
        ...

    def wait(self) -> float | None:
        """Seconds after which it wants to be told that time has passed; None if it does not."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def output(self, line: str) -> None:
        """A line that a handler printed."""
        ...


def display(
    console: Console, flow: FlowSpec, known: Mapping[ExecutionKey, Span] = FrozenDict()
) -> AbstractContextManager[Display]:
    """The display that suits the console, while the block lasts. `known` are times from before it is shown a view."""
    if console.is_terminal and not console.is_dumb_terminal:
        return _live(console, flow, known)
    return _plain(console, flow)


@contextmanager
def _plain(console: Console, flow: FlowSpec) -> Generator[Display]:
    yield _Lines(console, flow)


@contextmanager
def _live(console: Console, flow: FlowSpec, known: Mapping[ExecutionKey, Span]) -> Generator[Display]:
    shown = _LiveTable(console, flow, known)
    live = Live(
        console=console,
        get_renderable=shown.render,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        with live:
            shown.live = live
            yield shown
    finally:
        console.print(shown.render(final=True))


class _Lines:
    """One line for each change, with the local time."""

    def __init__(self, console: Console, flow: FlowSpec) -> None:
        self._console = console
        self._flow = flow
        self._progress: list[StepProgress] = []
        self._pauses: Sequence[Pause] = ()
        self._paced = PacedLines()

    def show(self, view: RunView, workers: int) -> None:
        if not self._progress:
            self.note(f"run {view.run.run_id} of flow {view.run.flow_id}")
        progress = step_progress(view, self._flow)
        for line in changes(self._progress, progress):
            self.note(line)
        for line in pause_changes(self._pauses, view.pauses):
            self.note(line)
        self._progress, self._pauses = progress, view.pauses
        self.tell(None)

    def tell(self, entry: ProgressEntry | None) -> None:
        if entry is not None:
            self._paced.add(entry)
        for line in self._paced.due(self._progress, time.monotonic()):
            self.note(line)

    def wait(self) -> float | None:
        return self._paced.wait(time.monotonic())

    def note(self, text: str) -> None:
        self._console.out(f"{datetime.now().astimezone():%H:%M:%S} {printable(text)}", highlight=False)

    def output(self, line: str) -> None:
        self._console.out(printable(Text.from_ansi(line).plain), highlight=False)


@dataclass(frozen=True, slots=True)
class _Moment:
    view: RunView
    table: list[Row]
    workers: int
    seen_at: float


class _LiveTable:
    """A table that is drawn anew; times go on between two views."""

    def __init__(self, console: Console, flow: FlowSpec, known: Mapping[ExecutionKey, Span]) -> None:
        self.live: Live | None = None
        self._console = console
        self._flow = flow
        self._stopwatch = Stopwatch(known)
        self._moment: _Moment | None = None
        self._text = LiveText()

    def show(self, view: RunView, workers: int) -> None:
        self._stopwatch.look(view)
        for line in pause_changes(() if self._moment is None else self._moment.view.pauses, view.pauses):
            self.note(line)
        self._moment = _Moment(view, rows(step_progress(view, self._flow)), workers, time.monotonic())
        if self.live is not None:
            self.live.refresh()

    def tell(self, entry: ProgressEntry | None) -> None:
        if entry is not None:
            self._text.add(entry)  # the next drawing shows it: the more is told, the less each chunk costs

    def wait(self) -> float | None:
        return None

    def note(self, text: str) -> None:
        self._console.print(Text(printable(text), style="bold"), soft_wrap=True)

    def output(self, line: str) -> None:
        self._console.print(Text.from_ansi(line), soft_wrap=True)

    def render(self, *, final: bool = False) -> RenderableType:
        moment = self._moment
        if moment is None:
            return Text("starting")
        running_for = timedelta(0) if final else timedelta(seconds=time.monotonic() - moment.seen_at)
        now = moment.view.now + running_for
        height = FINAL_ROWS if final else max(self._console.height - _FRAME_LINES, 3)
        kept, dropped = fitted(moment.table, height)
        parts: list[RenderableType] = [_header(moment, now), _table(kept, self._stopwatch, self._text, now)]
        if dropped:
            parts.append(Text(f"and {dropped}", style="dim"))
        return Group(*parts)


def _header(moment: _Moment, now: datetime) -> Text:
    run = moment.view.run
    elapsed = (run.completed_at or now) - moment.view.launched_at
    state = State(run.status) if run.status.is_terminal else State.RUNNING
    paused = " paused" if moment.view.pauses and not run.status.is_terminal else ""
    return Text.assemble(
        (printable(run.flow_id), "bold"),
        f"  run {run.run_id}  ",
        (f"{run.status}{paused}", STYLES[state]),
        f"  {duration_text(elapsed.total_seconds())}  {moment.workers} worker{'' if moment.workers == 1 else 's'}",
    )


def _table(kept: list[Row], stopwatch: Stopwatch, text: LiveText, now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    loops = any(row.iteration for row in kept)
    table.add_column("step")
    if loops:
        table.add_column("iteration", justify="right")
    table.add_column("member")
    table.add_column("state")
    table.add_column("attempt", justify="right")
    table.add_column("elapsed", justify="right")
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for row in kept:
        elapsed = None if row.key is None else stopwatch.elapsed(row.key, now)
        told = text.of(row.key) if row.key is not None and row.state is State.RUNNING else ""
        table.add_row(
            Text(printable(row.step)),
            *([Text(row.iteration)] if loops else []),
            Text(printable(row.who)),
            Text(row.state, style=STYLES[row.state]),
            "" if row.attempt is None else str(row.attempt),
            "" if elapsed is None else duration_text(elapsed.total_seconds()),
            Text(printable(told or excerpt(row.reason, SHORT_REASON)), style="dim"),
        )
    return table
