"""What a write makes of a run: each function gives the fields that change, or None when a compare is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, cast

from redis_mob.errors import CasConflictError, InternalError
from redis_mob.models import (
    FailureLedgerEntry,
    FlowAuthorityInput,
    FlowRunState,
    FrameSnapshot,
    LoopIterationLedgerEntry,
    LoopSnapshot,
    MobRun,
    MobRunStatus,
    StepLedgerEntry,
)
from redis_mob.models.authority import STORABLE_INPUTS
from redis_mob.models.base import FrozenDict, check_value, json_equal, json_text
from redis_mob.models.ledger import MAX_LOOP_ITERATION

Fields: TypeAlias = dict[str, Any]
"""The fields of a run that change, with what they become."""

Change: TypeAlias = Callable[[MobRun], Fields | None]

LoopContext: TypeAlias = tuple[str, int]
"""A loop by its lexical id, and one of its iterations."""


class Part(NamedTuple):
    """A part of a run that becomes `next` if it is `expected`; None means that it must be absent."""

    field: str
    name: str | None
    """Which of the frames or loops it is; None for the flow state, of which there is one."""
    expected: FlowRunState | FrameSnapshot | LoopSnapshot | None
    next: FlowRunState | FrameSnapshot | LoopSnapshot

    def is_as_expected(self, run: MobRun) -> bool:
        part = getattr(run, self.field)
        stored = part if self.name is None else part.get(self.name)
        if stored is None or self.expected is None:
            return stored is self.expected
        # not as models, which take 1 and 1.0 in unknown fields for equal
        return json_equal(stored.model_dump(mode="json"), self.expected.model_dump(mode="json"))


def checked_text(text: str) -> str:
    """The same text. Raises InternalError if it is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InternalError(f"{text!r} cannot be stored: {error.reason}") from None
    return text


def state(expected: FlowRunState, next: FlowRunState) -> Part:
    return Part("flow_state", None, expected, next)


def frame(frame_id: str, expected: FrameSnapshot | None, next: FrameSnapshot) -> Part:
    return Part("frames", checked_text(frame_id), expected, next)


def loop(loop_instance_id: str, expected: LoopSnapshot | None, next: LoopSnapshot) -> Part:
    return Part("loops", checked_text(loop_instance_id), expected, next)


def swap(run: MobRun, parts: Sequence[Part]) -> Fields | None:
    """All parts compared in their order, then all written."""
    if not all(part.is_as_expected(run) for part in parts):
        return None
    return {
        part.field: part.next if part.name is None else getattr(run, part.field).set((part.name, part.next))
        for part in parts
    }


def checked_inputs(inputs: Sequence[FlowAuthorityInput]) -> Sequence[FlowAuthorityInput]:
    """The same inputs. Raises InternalError for one that no log may hold (contract: runs-29)."""
    for item in cast("Sequence[object]", inputs):
        if not isinstance(item, STORABLE_INPUTS):
            raise InternalError(f"{type(item).__name__} is no input that the log of a run may hold")
    return inputs


def inputs_appended(run: MobRun, inputs: Sequence[FlowAuthorityInput]) -> Fields:
    return {"flow_authority_inputs": (*run.flow_authority_inputs, *inputs)}


def status(run: MobRun, expected: MobRunStatus, next: MobRunStatus, now: datetime) -> Fields | None:
    """Another status, unless the present one differs or is terminal."""
    if run.status != expected or run.status.is_terminal:
        return None
    ends = next.is_terminal and run.completed_at is None
    return {"status": next, "completed_at": now if ends else run.completed_at}


def step_row(run: MobRun, entry: StepLedgerEntry) -> Fields:
    return {"step_ledger": (*run.step_ledger, entry)}


def step_row_if_absent(run: MobRun, entry: StepLedgerEntry) -> Fields | None:
    """Step, agent and status are what counts (contract: runs-11)."""
    same = (entry.step_id, entry.agent_identity, entry.status)
    known = any((row.step_id, row.agent_identity, row.status) == same for row in run.step_ledger)
    return None if known else step_row(run, entry)


def step_output(run: MobRun, step_id: str, output: Any) -> Fields:
    """The output of the last row of a step. Raises InternalError if the step has no row."""
    numbers = [number for number, row in enumerate(run.step_ledger) if row.step_id == step_id]
    if not numbers:
        raise InternalError(f"run {run.run_id}: step {step_id!r} has no row in the step ledger; append one first")
    rows = list(run.step_ledger)
    rows[numbers[-1]] = rows[numbers[-1]].model_copy(update={"output": output})
    return {"step_ledger": tuple(rows)}


def failure(run: MobRun, entry: FailureLedgerEntry) -> Fields:
    return {"failure_ledger": (*run.failure_ledger, entry)}


def failure_if_absent(run: MobRun, entry: FailureLedgerEntry) -> Fields | None:
    """CasConflictError if the step has only failures that say something else, times aside (contract: runs-13)."""
    known = [_content(row) for row in run.failure_ledger if row.step_id == entry.step_id]
    if any(json_equal(_content(entry), content) for content in known):
        return None
    if known:
        raise CasConflictError(f"run {run.run_id}: step {entry.step_id!r} has another failure already")
    return failure(run, entry)


def _content(entry: FailureLedgerEntry) -> Any:
    return entry.model_dump(mode="json", exclude={"timestamp"})


def iteration(run: MobRun, entry: LoopIterationLedgerEntry) -> Fields:
    """The row once, however often it is recorded."""
    rows = run.loop_iteration_ledger
    same = (entry.loop_instance_id, entry.iteration, entry.frame_id)
    known = any((row.loop_instance_id, row.iteration, row.frame_id) == same for row in rows)
    return {"loop_iteration_ledger": rows if known else (*rows, entry)}


def checked_context(context: LoopContext | None) -> LoopContext | None:
    """The same. Raises InternalError for an iteration that is out of bounds (contract: runs-26), or a bad id."""
    if context is not None:
        checked_text(context[0])
    if context is not None and (type(context[1]) is not int or not 0 <= context[1] <= MAX_LOOP_ITERATION):
        raise InternalError(f"iteration {context[1]} of loop {context[0]!r} is outside 0 to {MAX_LOOP_ITERATION}")
    return context


def copied_json(what: str, value: Any) -> Any:
    """A copy that the caller cannot change later. Raises InternalError naming `what` if it is no JSON."""
    try:
        return json.loads(json_text(check_value(value)))
    except ValueError as error:
        raise InternalError(f"{what}: {error}") from None


def output(run: MobRun, step_id: str, value: Any, context: LoopContext | None) -> Fields:
    """The output of a root step, or of a step in an iteration of a loop; one that is set again keeps its place."""
    if context is None:
        return {"root_step_outputs": run.root_step_outputs.set((step_id, value))}
    loop_id, number = context
    iterations = list(run.loop_iteration_outputs.get(loop_id, ()))
    iterations += [FrozenDict[str, Any]()] * (number + 1 - len(iterations))
    iterations[number] = iterations[number].set((step_id, value))
    return {"loop_iteration_outputs": run.loop_iteration_outputs.set((loop_id, tuple(iterations)))}
