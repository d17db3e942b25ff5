"""A run as operators read it: what is wrong first, then the tree of its steps. Nothing is printed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from pydantic_core import to_json
from rich.text import Text

from redis_mob.cli.branches import Branch
from redis_mob.cli.budget_text import budget_lines
from redis_mob.cli.console import printable
from redis_mob.cli.traceback_place import place_in
from redis_mob.cli.words import SHORT_REASON, attributes_text, duration_text, size_text, state_text, time_text
from redis_mob.models.states import State
from redis_mob.operations.run_description import (
    EscalationDescription,
    FailureDescription,
    IterationDescription,
    LoopDescription,
    MemberDescription,
    NodeDescription,
    RunDescription,
    StepDescription,
    WaitsFor,
)

MOST_TOLD = 5
"""Failures, retries and waits that stand above the tree, each."""

MOST_MEMBERS = 10
MOST_ITERATIONS = 10
"""Members of a step, and iterations of a loop, that the tree shows unless all are asked for."""

_NO_PARAMS = len("null")
"""Bytes of the parameters of a run that has none."""

_INTEREST = (State.FAILED, State.RUNNING, State.WAITING, State.CANCELED, State.COMPLETED, State.SKIPPED)


def head(run: RunDescription) -> Iterator[Text]:
    """The first lines: which run it is, how it stands, what failed, what is tried again, what it waits for."""
    yield Text.assemble("run ", (run.run_id, "bold"), f"  flow {printable(run.flow_id)}  mob {printable(run.mob_id)}")
    yield Text.assemble(*_standing(run))
    yield from _section("failed", "bold red", [_failure_line(one) for one in run.failures], "--failures")
    escalated = [_escalation_line(run, one) for one in run.escalations]
    yield from _section("escalated", "magenta", escalated, "--json")
    retries: list[str] = []
    signals: list[str] = []
    for rounds, step in run.each_step():
        for member in step.members:
            if member.waits_for is not None and member.waits_for.kind == "retry":
                retries.append(_retry_line(run, rounds, step, member))
            elif member.waits_for is not None and member.waits_for.kind in ("signal", "answer", "throttle"):
                signals.append(f"{_place(step.step_id, None, rounds)}: {_waits(member.waits_for, run.now)}")
    yield from _section("to be tried again", "yellow", retries, "--all")
    waits = [_waits(one, run.now) for one in run.waits_for]
    yield from _section("waits", "yellow", [*waits, *signals], "--all")


def tree(run: RunDescription, width: int | None, *, all_of_it: bool) -> Iterator[Text]:
    """The tree of loops, iterations, steps and members, with the outputs that the description has; without a width each
    of them is one line."""
    return _Branches(run, all_of_it=all_of_it, is_terminal=width is not None).tree().lines(width)


def failures(run: RunDescription) -> Iterator[Text]:
    """Every failure in full, with its traceback; also those of attempts that were, or are, tried again."""
    for one in run.failures:
        yield Text()
        yield Text(f"{_place(one.step_id, one.member, one.iteration)} failed{_at(one)}", style="bold red")
        yield from _lines(one.reason)
        if one.detail is not None:
            yield Text(f"  detail: {printable(to_json(one.detail).decode())}")
        yield from _lines(one.traceback or "")
    for rounds, step in run.each_step():
        for member in step.members:
            failed = [(number, one) for number, one in enumerate(member.attempts, 1) if one.outcome == "failed"]
            for number, one in failed[:-1] if member.state is State.FAILED else failed:
                place = _place(step.step_id, member.member, rounds)
                yield Text()
                yield Text(f"{place} attempt {number} failed, {time_text(one.began_at)}", style="yellow")
                yield from _lines(one.reason or "")
                yield from _lines(one.traceback or "")


def _standing(run: RunDescription) -> Iterator[tuple[str, str] | str]:
    state = State.WAITING if run.status == "pending" else State(run.status)
    text = state_text(state)
    yield str(run.status), str(text.style)
    yield " paused" if run.pauses else "", "bold yellow"
    is_to_begin = run.begins_at > run.now
    yield "" if is_to_begin else f" {'after' if run.completed_at else 'for'} {duration_text(run.seconds)}"
    ended = f" to {time_text(run.completed_at)}" if run.completed_at is not None else ""
    yield f"  {'begins' if is_to_begin else 'began'} {time_text(run.begins_at)}{ended}"
    if run.deadline is not None and run.completed_at is None:
        yield f"  has to end by {time_text(run.deadline)}"
    if run.release is not None:
        yield f"  release {printable(run.release)}"
    if run.priority:
        yield f"  priority {run.priority}"
    if (origin := run.forked_from) is not None:
        yield f"\nforked from run {origin.run_id}"
        yield "" if origin.from_step is None else f" at step {printable(origin.from_step)}"
    if (parent := run.parent) is not None:
        yield f"\nchild of run {parent.run_id}, step {printable(parent.step_id)}"
    if run.conversation is not None:
        yield f"\nconversation: {printable(run.conversation)}"
    if run.summary is not None:
        yield f"\nsummary: {printable(run.summary)}"
    if run.attributes:
        yield f"\nattributes: {attributes_text(run.attributes)}"
    if run.params not in (None, {}):
        yield f"\nparams: {printable(to_json(run.params).decode())}"
    elif run.params is None and run.params_bytes > _NO_PARAMS:
        yield f"\nparams: {size_text(run.params_bytes)}, which --outputs shows"
    for line in budget_lines(run.budgets, run.run_id):
        yield f"\nused: {printable(line)}"
    counts = ", ".join(f"{count:,} {state}" for state, count in run.steps.items())
    yield f"\nsteps: {counts or 'none yet'}"
    if run.signals:
        names = ", ".join(f"{printable(name)} ({count:,})" for name, count in run.signals.items())
        yield f"\nsignals that no step has taken: {names}"


def _section(title: str, style: str, lines: Sequence[str], option: str) -> Iterator[Text]:
    for line in lines[:MOST_TOLD]:
        yield Text.assemble((title, style), f": {line}")
    if (more := len(lines) - MOST_TOLD) > 0:
        yield Text(f"and {more:,} more: {option}", style="dim")


def _failure_line(one: FailureDescription) -> str:
    attempt = "" if one.attempt is None or one.attempt == 1 else f", attempt {one.attempt}"
    line = None if one.traceback is None else place_in(one.traceback)
    where = "" if line is None else f", at {printable(line)}"
    return f"{_place(one.step_id, one.member, one.iteration)}{attempt}: {short(one.reason)}{where}"


def _escalation_line(run: RunDescription, one: EscalationDescription) -> str:
    told = one.told
    line = f"{_place(one.step_id, None, ())} to {printable(told.member)}, {told.state}"
    if told.attempt > 1:
        line += f", attempt {told.attempt}"
    if told.worker is not None and told.worker.host is not None:
        line += f" on worker {printable(f'{told.worker.host}:{told.worker.pid}')}"
    if not told.state.is_final and one.until is not None:
        line += f", for {duration_text(max((one.until - run.now).total_seconds(), 0))} at most"
    if one.answer is not None:
        line += f": {short(to_json(one.answer).decode())}"
    elif told.reason is not None:
        line += f": {short(told.reason)}"
    elif told.waits_for is not None:
        line += f", waits for {_waits(told.waits_for, run.now)}"
    return line


def _retry_line(run: RunDescription, rounds: Sequence[int], step: StepDescription, member: MemberDescription) -> str:
    until = member.waits_for.until if member.waits_for is not None else None
    pause = "" if until is None else f" in {duration_text((until - run.now).total_seconds())}"
    place = _place(step.step_id, member.member, rounds)
    return f"{place}, attempt {member.attempt}{pause}: {short(member.reason or '')}"


def _at(one: FailureDescription) -> str:
    attempt = "" if one.attempt is None else f" in attempt {one.attempt}"
    error = "" if one.error_class is None else f", {printable(one.error_class)}"
    return f"{attempt}, {time_text(one.at)}{error}"


def _place(step_id: str | None, member: str | None, rounds: Sequence[int]) -> str:
    if step_id is None:
        return "the flow"
    who = "" if member is None else f"[{printable(member)}]"
    return f"step {printable(step_id)}{who}" + (f" iteration {'.'.join(map(str, rounds))}" if rounds else "")


def _lines(text: str) -> Iterator[Text]:
    for line in text.splitlines():
        yield Text(f"  {printable(line)}")


def short(reason: str) -> str:
    """The beginning of a reason on one line."""
    lines = reason[: 4 * SHORT_REASON].strip().splitlines() or [""]
    first = lines[0][:SHORT_REASON]
    return printable(first if len(lines) == 1 and len(reason.strip()) <= SHORT_REASON else f"{first}…")


def _waits(waits: WaitsFor, now: datetime) -> str:
    until = "" if waits.until is None else f", for {duration_text(max((waits.until - now).total_seconds(), 0))} at most"
    match waits.kind:
        case "dependency":
            return f"after {printable(waits.text)}"
        case "retry" | "begin":
            return f"{printable(waits.text)}{'' if waits.until is None else f' at {time_text(waits.until)}'}"
        case "signal":
            schema = waits.payload_schema
            fits = "" if schema is None else f" that fits {short(to_json(schema).decode())}"
            return f"{printable(waits.text)}{fits}{until}"
        case _:
            return f"{printable(waits.text)}{until}"


class _Branches:
    def __init__(self, run: RunDescription, *, all_of_it: bool, is_terminal: bool) -> None:
        self._run = run
        self._all = all_of_it
        self._is_terminal = is_terminal

    def tree(self) -> Branch:
        root = Branch(self._label(f"flow {printable(self._run.flow_id)}"))
        self._add_nodes(root, self._run.nodes)
        return root

    def _label(self, *parts: str | Text | None) -> Text:
        label = Text(no_wrap=True, overflow="ellipsis") if self._is_terminal else Text()
        for part in parts:
            if part:
                label.append("  " if label else "").append(part)
        return label

    def _add_nodes(self, branch: Branch, nodes: Iterable[NodeDescription]) -> None:
        for node in nodes:
            if isinstance(node, LoopDescription):
                self._add_loop(branch, node)
            else:
                self._add_step(branch, node)

    def _add_loop(self, branch: Branch, loop: LoopDescription) -> None:
        exhausted = "its condition never held" if loop.is_exhausted else ""
        waits = "" if loop.waits_for is None else _waits(loop.waits_for, self._run.now)
        done = f"{len(loop.iterations):,} of at most {loop.max_iterations:,} iterations"
        inner = branch.add(
            self._label(f"loop {printable(loop.loop_id)}", state_text(loop.state), done, exhausted, waits)
        )
        kept = {one.number for one in (loop.iterations if self._all else _kept_iterations(loop.iterations))}
        left = Counter[State]()
        for iteration in loop.iterations:
            if iteration.number in kept:
                self._tell_left(inner, left, "iterations")
                body = inner.add(self._label(f"iteration {iteration.number}", state_text(iteration.state)))
                self._add_nodes(body, iteration.nodes)
            else:
                left[iteration.state] += 1
        self._tell_left(inner, left, "iterations")

    def _add_step(self, branch: Branch, step: StepDescription) -> None:
        inline = step.members[0] if len(step.members) == 1 and step.items is None else None
        who = f"[{printable(inline.member)}]" if inline is not None else ""
        mark, style = ("✗ ", "bold red") if step.state is State.FAILED else ("", "bold")
        items = step.items
        of_items = "" if items is None else f"{items.completed:,} of {items.items:,} items completed"
        others = () if items is None else (("failed", items.failed), ("open", items.open), ("left", items.not_begun))
        waits = "" if step.waits_for is None else _waits(step.waits_for, self._run.now)
        inner = branch.add(
            self._label(
                Text(f"{mark}{printable(step.step_id)}{who}", style=style),
                state_text(step.state),
                "carried over" if step.is_carried else "",
                *self._of_member(inline) if inline is not None else (self._seconds(step.seconds),),
                ", ".join([of_items, *(f"{count:,} {word}" for word, count in others if count)]) if of_items else "",
                "" if step.output_bytes is None else f"output {size_text(step.output_bytes)}",
                waits,
                self._reason(step.reason),
            )
        )
        if inline is None:
            self._add_members(inner, step.members)
        for reason in items.reasons if items is not None else ():
            inner.add(self._label(self._reason(reason)))
        if step.output is not None:
            inner.add(Text(f"output: {printable(to_json(step.output).decode())}"))

    def _add_members(self, branch: Branch, members: Sequence[MemberDescription]) -> None:
        ranked = sorted(members, key=lambda one: _INTEREST.index(one.state))
        kept = set(map(id, members if self._all else ranked[:MOST_MEMBERS]))
        left = Counter(one.state for one in members if id(one) not in kept)
        for member in members:
            if id(member) in kept:
                name = f"[{printable(member.member)}]"
                size = None if member.output_bytes is None else f"output {size_text(member.output_bytes)}"
                branch.add(self._label(name, state_text(member.state), *self._of_member(member), size))
        self._tell_left(branch, left, "members")

    def _of_member(self, member: MemberDescription) -> Iterator[str | Text | None]:
        if member.attempt > 1:
            lost = f", {member.lost} lost with a worker" if member.lost else ""
            yield f"attempt {member.attempt}{lost}"
        yield self._seconds(member.seconds)
        if member.child is not None:
            status = "not started" if member.child.status is None else str(member.child.status)
            yield f"run {member.child.run_id} {status}"
        if member.worker is not None:
            where = "that is gone" if member.worker.host is None else f"{member.worker.host}:{member.worker.pid}"
            yield f"on worker {printable(where)}" if member.worker.host else f"on a worker {where}"
        if member.waits_for is not None and member.child is None:
            yield f"waits for {_waits(member.waits_for, self._run.now)}"
        if member.state in (State.FAILED, State.WAITING, State.RUNNING):
            yield self._reason(member.reason)

    def _reason(self, reason: str | None) -> Text | None:
        return None if reason is None else Text(short(reason), style="red")

    def _seconds(self, seconds: float | None) -> str | None:
        return None if seconds is None else duration_text(seconds)

    def _tell_left(self, branch: Branch, left: Counter[State], what: str) -> None:
        """Say how many of them are not shown here, and forget them."""
        if left:
            counts = ", ".join(f"{count:,} {state}" for state, count in left.items())
            branch.add(self._label(Text(f"… {counts} {what}: --all shows them", style="dim")))
            left.clear()


def _kept_iterations(iterations: Sequence[IterationDescription]) -> Sequence[IterationDescription]:
    """The first one, the last ones, and those between them that did not complete, as far as there is room."""
    if len(iterations) <= MOST_ITERATIONS:
        return iterations
    half = MOST_ITERATIONS // 2
    between = [one for one in iterations[1:-half] if one.state is not State.COMPLETED]
    return [iterations[0], *between[-half:], *iterations[-half:]]
