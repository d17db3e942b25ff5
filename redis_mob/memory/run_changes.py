"""What happens to a run: each function gives the run as it is afterwards, and leaves the given one alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from redis_mob.codec.changes import change_of_frame, change_of_loop, change_of_run, fields_of_loop
from redis_mob.codec.ledgers import (
    decode_json,
    encode_value,
    failure_row,
    iteration_identity,
    iteration_row,
    step_arguments,
)
from redis_mob.codec.snapshot_reading import decode
from redis_mob.codec.snapshots import encode
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
from redis_mob.models.base import Model, json_equal
from redis_mob.models.flow import FlowFrameState, LoopIterationState

M = TypeVar("M", bound=Model)
C = TypeVar("C", FlowRunState, FrameSnapshot, LoopSnapshot)
K = TypeVar("K", FlowRunState, FlowFrameState, LoopIterationState)


def copied(model: M) -> M:
    """The same value, made from its JSON: it shares no object that the caller could change."""
    return type(model).model_validate_json(model.model_dump_json())


def decoded(state: K) -> K:
    """The same kernel state, made from its groups."""
    snapshot = encode(state)
    return decode(type(state), {name: group.data for name, group in snapshot.groups.items()}, snapshot.digest)


def are_equal(one: C | None, other: C | None) -> bool:
    """Whether two states are equal as a server compares them: of unknown fields, 1 is not 1.0 (contract: store-6)."""
    return one == other and (one is None or other is None or json_equal(_unknown(one), _unknown(other)))


def kept(part: C) -> C:
    """The same state, for the store to keep: what lies in unknown fields can be changed, and is copied."""
    return copied(part) if any(_unknown(part)) else part


def _unknown(part: FlowRunState | FrameSnapshot | LoopSnapshot) -> list[dict[str, Any]]:
    """The unknown fields of a state, and of what it lies in."""
    models = (part,) if isinstance(part, FlowRunState) else (part, part.kernel_state)
    return [one.__pydantic_extra__ or {} for one in models]


def copied_json(what: str, value: Any) -> Any:
    """The same document, made from its text. Raises InternalError naming `what` if it is no JSON."""
    return decode_json(encode_value(what, value))


def next_flow_state(expected: FlowRunState, following: FlowRunState) -> FlowRunState:
    """The next flow state as a server would give it back. Raises like `codec.changes.change_of_run`."""
    change_of_run(expected, following)
    return decoded(following)


def next_frame(frame_id: str, expected: FrameSnapshot | None, following: FrameSnapshot) -> FrameSnapshot:
    """The next state of a frame as a server would give it back. Raises like `codec.changes.change_of_frame`."""
    change_of_frame(frame_id, expected, following)
    return kept(following).model_copy(update={"kernel_state": decoded(following.kernel_state)})


def next_loop(loop_instance_id: str, expected: LoopSnapshot | None, following: LoopSnapshot) -> LoopSnapshot:
    """The next state of a loop as a server would give it back. Raises like `codec.changes.change_of_loop`."""
    change_of_loop(loop_instance_id, expected, following)
    return kept(following).model_copy(update={"kernel_state": decoded(following.kernel_state)})


def first_loop(loop_instance_id: str, loop: LoopSnapshot) -> LoopSnapshot:
    """A loop that is written without a compare. Raises like `codec.changes.fields_of_loop`."""
    fields_of_loop(loop_instance_id, loop)
    return kept(loop).model_copy(update={"kernel_state": decoded(loop.kernel_state)})


def checked_step_entry(entry: StepLedgerEntry) -> StepLedgerEntry:
    """A copy of a row of the step ledger. Raises like `codec.ledgers.step_arguments`."""
    step_arguments(entry)
    return copied(entry)


def checked_failure_entry(entry: FailureLedgerEntry) -> FailureLedgerEntry:
    """A copy of a row of the failure ledger. Raises like `codec.ledgers.failure_row`."""
    return FailureLedgerEntry.model_validate_json(failure_row(entry))


def checked_iteration(entry: LoopIterationLedgerEntry) -> LoopIterationLedgerEntry:
    """A copy of a row of the loop iteration ledger. Raises like `codec.ledgers.iteration_row`."""
    iteration_row(entry)
    return copied(entry)


def may_change(run: MobRun | None, expected: MobRunStatus) -> bool:
    """Whether a status can be replaced: it is the expected one, and not a terminal one."""
    return run is not None and run.status == expected and not run.status.is_terminal


def with_status(run: MobRun, status: MobRunStatus, now: datetime) -> MobRun:
    """A terminal status sets the time of completion if there is none."""
    ends_now = status.is_terminal and run.completed_at is None
    return run.model_copy(update={"status": status, "completed_at": now if ends_now else run.completed_at})


def with_inputs(run: MobRun, inputs: Sequence[FlowAuthorityInput]) -> MobRun:
    return run.model_copy(update={"flow_authority_inputs": (*run.flow_authority_inputs, *inputs)})


def has_step_row(run: MobRun, entry: StepLedgerEntry) -> bool:
    """Whether there is a row for the same step, agent and status (contract: runs-11)."""
    return any(
        (row.step_id, row.agent_identity, row.status) == (entry.step_id, entry.agent_identity, entry.status)
        for row in run.step_ledger
    )


def with_step_row(run: MobRun, entry: StepLedgerEntry) -> MobRun:
    return run.model_copy(update={"step_ledger": (*run.step_ledger, copied(entry))})


def with_step_output(run: MobRun, step_id: str, output: Any) -> MobRun | None:
    """With this output in the last row of a step; None if the step has no row."""
    rows = list(run.step_ledger)
    for number in reversed(range(len(rows))):
        if rows[number].step_id == step_id:
            rows[number] = rows[number].model_copy(update={"output": output})
            return run.model_copy(update={"step_ledger": tuple(rows)})
    return None


def failures_of(run: MobRun, step_id: str) -> list[FailureLedgerEntry]:
    return [row for row in run.failure_ledger if row.step_id == step_id]


def says_the_same(one: FailureLedgerEntry, other: FailureLedgerEntry) -> bool:
    """Whether two failures are equal, their times aside (contract: runs-13)."""
    first, second = (entry.model_dump(mode="json", exclude={"timestamp"}) for entry in (one, other))
    return json_equal(first, second)


def with_failure(run: MobRun, entry: FailureLedgerEntry) -> MobRun:
    return run.model_copy(update={"failure_ledger": (*run.failure_ledger, copied(entry))})


def with_iteration(run: MobRun, entry: LoopIterationLedgerEntry) -> MobRun:
    """With this row once, however often it is recorded."""
    if iteration_identity(entry) in map(iteration_identity, run.loop_iteration_ledger):
        return run
    return run.model_copy(update={"loop_iteration_ledger": (*run.loop_iteration_ledger, entry)})
