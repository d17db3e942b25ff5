"""What a run shows to people: its steps with their members, states, attempts and times. Pure; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis_mob.cli.words import SHORT_REASON
from redis_mob.fleet.waiting_text import asked_text, why_paused
from redis_mob.kernel.machine import FlowMachine
from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, ItemProgress
from redis_mob.models.flow import FlowStepStatus, FrameScope
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.order import natural_key
from redis_mob.models.pause import Pause
from redis_mob.models.state_of import STATE_OF_EXECUTION, STATE_OF_NODE, STATE_OF_STEP
from redis_mob.models.states import State as State
from redis_mob.models.transition import RunView
from redis_mob.operations.step_times import Span

MOST_RETRIED = 20
"""Items of a step that are told at a time because they are tried again."""

REASON_LINES = 5
"""Lines of the reason of a failure that are shown while the run goes on."""


@dataclass(frozen=True, slots=True)
class MemberProgress:
    """A member at work on a step. `reason` is that of its last failed attempt, empty if none failed; `asked` is what it
    asks people, in words, empty if nothing."""

    key: ExecutionKey
    state: State
    attempt: int
    reason: str
    asked: str = ""

    @property
    def member(self) -> str:
        return self.key.target


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A step in one frame of the run. `iteration` is empty outside of loops; else the rounds of the loops around it,
    outermost first, counted from 1. It has no members before it starts, or if it never does. Of a step with `for_each`
    the number of its `items` is told, since there may be thousands, and which of them are `held`: they are not over,
    and an attempt of theirs has failed, or they ask people something."""

    step: str
    iteration: tuple[int, ...]
    role: str
    state: State
    members: tuple[MemberProgress, ...] = ()
    items: ItemProgress | None = None
    held: tuple[MemberProgress, ...] = ()


def step_progress(view: RunView, flow: FlowSpec) -> list[StepProgress]:
    """All steps of a run in the order in which they depend on each other, and of each the iterations in order.

    `flow` is the one that the run was started with; KernelError is raised for another.
    """
    reached: dict[str, list[StepProgress]] = {}
    for one in _in_frames(view, FlowMachine.from_run(view.run, flow), flow):
        reached.setdefault(one.step, []).append(one)
    progress: list[StepProgress] = []
    for step in view.run.flow_state.ordered_steps:
        unreached = StepProgress(
            step, (), flow.steps[step].role, STATE_OF_STEP[view.run.flow_state.step_status.get(step)]
        )
        progress += sorted(reached.get(step, [unreached]), key=lambda one: one.iteration)
    return progress


def _in_frames(view: RunView, machine: FlowMachine, flow: FlowSpec) -> Iterator[StepProgress]:
    """Every step in every frame that exists."""
    executions = _by_node(view.executions)
    for frame_id, frame in machine.frames.items():
        iteration = _iteration(machine, frame_id)
        for node_id, status in frame.kernel_state.node_status.items():
            step = machine.step_of(frame_id, node_id)
            if step is not None:
                state, members = STATE_OF_NODE[status], executions.get((frame_id, node_id), ())
                if view.run.flow_state.step_status.get(step) is FlowStepStatus.CANCELED and state is State.SKIPPED:
                    state = State.CANCELED  # its node was passed over only because the run was canceled
                items = view.progress.get((frame_id, node_id))
                shown = tuple(members) if items is None else ()
                held = () if items is None else tuple(one for one in members if one.reason or one.asked)
                yield StepProgress(step, iteration, flow.steps[step].role, state, shown, items, held)


def iterations(view: RunView, flow: FlowSpec) -> dict[str, tuple[int, ...]]:
    """Of each frame of a run the rounds of the loops around it, outermost first, counted from 1."""
    machine = FlowMachine.from_run(view.run, flow)
    return {frame_id: _iteration(machine, frame_id) for frame_id in machine.frames}


def _iteration(machine: FlowMachine, frame_id: str) -> tuple[int, ...]:
    return tuple(reversed(list(_rounds(machine, frame_id))))


def _rounds(machine: FlowMachine, frame_id: str) -> Iterator[int]:
    """The rounds of the loops around a frame, innermost first."""
    frame = machine.frame(frame_id)
    while frame.frame_scope is FrameScope.BODY:
        yield frame.iteration + 1
        frame = machine.frame(machine.loop(frame.loop_instance_id).parent_frame_id)


def _by_node(executions: Mapping[ExecutionKey, Execution]) -> dict[tuple[str, str], list[MemberProgress]]:
    found: dict[tuple[str, str], list[MemberProgress]] = {}
    for key, execution in sorted(executions.items(), key=lambda item: natural_key(item[0].target)):
        state = STATE_OF_EXECUTION[execution.status]
        asked = asked_text(execution.asks) if execution.status is ExecutionStatus.ASKING else ""
        member = MemberProgress(key, state, execution.attempt, execution.reason or "", asked)
        found.setdefault((key.frame_id, key.node_id), []).append(member)
    return found


def changes(before: Sequence[StepProgress], after: Sequence[StepProgress]) -> list[str]:
    """One line for each thing that happened in between; steps that only wait are not worth one."""
    known_steps = {(step.step, step.iteration): step.state for step in before}
    with_items = {(step.step, step.iteration) for step in before if step.items is not None}
    known_members = {one.key: _news_of(one) for step in before for one in (*step.members, *step.held)}
    known_reasons = {(step.step, step.iteration): len(step.items.reasons) for step in before if step.items is not None}
    lines: list[str] = []
    for step in after:
        if step.items is not None and (step.step, step.iteration) not in with_items and not step.state.is_final:
            lines.append(_step_line(step))
        news = [
            _member_line(step, one)
            for one in (*step.members, *step.held)
            if known_members.get(one.key, (State.WAITING, 1, "")) != _news_of(one)
        ]
        lines += news if step.items is None else _first(news, f"items of step {step.step} that are tried again, or ask")
        if step.items is not None:
            lines += _item_failures(step, step.items, known_reasons.get((step.step, step.iteration), 0))
        if step.state.is_final and known_steps.get((step.step, step.iteration)) is not step.state:
            lines.append(_step_line(step))
    return lines


def pause_changes(before: Sequence[Pause], after: Sequence[Pause]) -> list[str]:
    """One line for each pause of a run that was not there before, and one if the last of them is over."""
    if before and not after:
        return ["it is paused no more"]
    return why_paused([one for one in after if one not in before])


def _news_of(member: MemberProgress) -> tuple[State, int, str]:
    return member.state, member.attempt, member.asked


def _first(lines: list[str], of: str) -> list[str]:
    more = len(lines) - MOST_RETRIED
    return [*lines[:MOST_RETRIED], f"and {more:,} more {of}"] if more > 0 else lines


def _item_failures(step: StepProgress, items: ItemProgress, known: int) -> Iterator[str]:
    """The first items that failed for good: each reason begins with the target of its item."""
    for told in items.reasons[known:]:
        target, _, reason = told.partition(": ")
        yield f"step {step.step}[{target}]{iteration_suffix(step)} failed: {excerpt(reason, SHORT_REASON)}"


def items_text(items: ItemProgress) -> str:
    """`3 of 10 items`: how many have completed."""
    return f"{items.completed:,} of {items.items:,} items"


def _step_line(step: StepProgress) -> str:
    of_items = f", {items_text(step.items)}" if step.items is not None else ""
    return f"step {step.step}{iteration_suffix(step)} {step.state}{of_items}"


def _member_line(step: StepProgress, member: MemberProgress) -> str:
    who = f"step {step.step}[{member.member}]{iteration_suffix(step)}"
    if member.asked:
        return f"{who} waits for {member.asked}"
    text = f"{who} {member.state} attempt {member.attempt}"
    tells_why = member.reason and member.state in (State.WAITING, State.FAILED)
    return f"{text}: {excerpt(member.reason, SHORT_REASON)}" if tells_why else text


def excerpt(text: str, most: int) -> str:
    """The first lines of a text, at most so many characters of them, and `…` if that is not all."""
    lines = text[: most + 1].splitlines()
    first = "\n".join(lines[:REASON_LINES])[:most]
    return first if len(text) <= most and len(lines) <= REASON_LINES else f"{first}…"


def iteration_suffix(step: StepProgress) -> str:
    """` iteration 2`, or ` iteration 1.3` in a nested loop; nothing outside of loops."""
    return f" iteration {iteration_text(step)}" if step.iteration else ""


def iteration_text(step: StepProgress) -> str:
    """`2`, or `1.3` in a nested loop; nothing outside of loops."""
    return ".".join(map(str, step.iteration))


class Stopwatch:
    """How long members have been at their steps, as far as the views that it was shown tell.

    Time starts with the first attempt and ends with the result; pauses before another attempt count. `known` says what
    happened before the first view, as far as that is known.
    """

    def __init__(self, known: Mapping[ExecutionKey, Span] = FrozenDict()) -> None:
        self._seen_at: datetime | None = None
        self._began = {key: span.start for key, span in known.items() if span.start is not None}
        self._ended = {key: span.ended_at for key, span in known.items() if span.ended_at is not None}

    def look(self, view: RunView) -> None:
        """Take notice of a view; views come in the order of their times."""
        for key, execution in view.executions.items():
            state = STATE_OF_EXECUTION[execution.status]
            if state is not State.WAITING or execution.attempt > 1:
                # What is over at first sight began after the look before, at the earliest.
                self._began.setdefault(key, (self._seen_at or view.now) if state.is_final else view.now)
            if state.is_final:
                self._ended.setdefault(key, view.now)
        self._seen_at = view.now

    def elapsed(self, key: ExecutionKey, now: datetime) -> timedelta | None:
        """Time from begin to end, or to now; None for what has not begun."""
        began = self._began.get(key)
        return None if began is None else max(self._ended.get(key, now) - began, timedelta(0))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a member at a step, or a step without members (`key` is None then)."""

    step: str
    iteration: str
    who: str
    state: State
    attempt: int | None
    reason: str
    key: ExecutionKey | None


def rows(progress: Iterable[StepProgress]) -> list[Row]:
    """The whole table, in the order of the progress."""
    table: list[Row] = []
    for step in progress:
        iteration = iteration_text(step)
        table += (
            Row(step.step, iteration, one.member, one.state, one.attempt, _why(one), one.key) for one in step.members
        )
        if not step.members:
            who = step.role if step.items is None else items_text(step.items)
            # of items that are tried again, or ask, the first one says why
            reason = f"{step.held[0].member}: {_why(step.held[0])}" if step.held else ""
            table.append(Row(step.step, iteration, who, step.state, None, reason, None))
    return table


def _why(member: MemberProgress) -> str:
    return f"waits for {member.asked}" if member.asked else member.reason


_INTEREST = (State.RUNNING, State.FAILED, State.CANCELED, State.WAITING, State.COMPLETED, State.SKIPPED)


def fitted(table: Sequence[Row], height: int) -> tuple[list[Row], str]:
    """At most `height` rows, in their order, and what was left out in words (empty if nothing was).

    What runs or has failed stays longest; of rows of the same state the latest stay.
    """
    ranked = sorted(range(len(table)), key=lambda row: (_INTEREST.index(table[row].state), -row))
    kept, dropped = sorted(ranked[:height]), ranked[height:]
    counts = {state: sum(table[row].state is state for row in dropped) for state in State}
    return [table[row] for row in kept], ", ".join(f"{count} {state}" for state, count in counts.items() if count)
