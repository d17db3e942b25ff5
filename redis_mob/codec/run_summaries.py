"""Summaries of runs, places in the index by status, and cursors of lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pydantic

from redis_mob.codec import changes, ledgers
from redis_mob.codec.arguments import instance, optional_text
from redis_mob.codec.children import decode_parent
from redis_mob.codec.conversations import decode_turn
from redis_mob.codec.documents import decode_decimal, decode_time
from redis_mob.codec.executions import decode_launch
from redis_mob.codec.labels import ATTRIBUTES, SUMMARY, checked_filter, decode_labels
from redis_mob.codec.layouts import FLOW_RUN
from redis_mob.codec.packing import UNPACK_ERRORS, unpack
from redis_mob.codec.run_heads import (
    COUNTED,
    COUNTED_PARTS,
    RunHead,
    check_count,
    count_field,
    ended_identity,
    place_prefix,
    run_id_of_place,
)
from redis_mob.errors import SerializationError, ValidationError, shown
from redis_mob.models.labels import NO_LABELS
from redis_mob.models.ledger import FLOW_STEP, FailureLedgerEntry
from redis_mob.models.pause import PauseScope
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunSummary

STATUS_BYTES: Mapping[MobRunStatus, bytes] = {
    MobRunStatus.PENDING: b"p",
    MobRunStatus.RUNNING: b"r",
    MobRunStatus.COMPLETED: b"c",
    MobRunStatus.FAILED: b"f",
    MobRunStatus.CANCELED: b"x",
}
"""What a place in the index begins with; lua/lib/run_index has the same."""

_ID, _SEQUENCE = 36, 16

PARAMS = b"params"
BRIEF = (b"status", b"head")
"""The fields of a run hash that a count needs, beside the parameters and the attributes."""
_SCHEDULER = changes.FLOW_GROUP + b"scheduler"
_COUNTS = tuple(map(count_field, ("run", *(part for part in COUNTED_PARTS if part != "run"))))
FIELDS = (
    *BRIEF,
    *(b"completed_at", b"launch", b"launched_at", b"cancel_requested_at", b"parent", b"paused", b"conversation"),
    *(ATTRIBUTES, SUMMARY, _SCHEDULER),
    *(COUNTED, *_COUNTS),
)
"""The fields of a run hash that a summary is made of, and those that tell whether any is lost."""

HEAD_FIELDS = (*BRIEF, b"sequence")
"""The fields of a run hash that its places are made of."""

_ACTIVE_NODES = FLOW_RUN.scheduler.index("active_node_count")
MOST_OF_A_REASON = 500
"""How many characters of a reason a summary has."""

_CURSOR = re.compile(r"[0-9]{1,15}")

_UNREADABLE = (*UNPACK_ERRORS, pydantic.ValidationError, OverflowError)


class RunPlace(NamedTuple):
    """A run in one of the lists of runs."""

    sequence: int
    run_id: str
    status: bytes
    """The byte of the status at which it stands in the index of these; empty if it was found elsewhere."""
    attribute: bytes
    """What stands for the attribute at which it stands in the index of these; empty if it was found elsewhere."""
    end: bytes
    """What all its places end with."""


def decode_place(place: bytes, key: str = "a list of runs") -> RunPlace:
    """The run of a place in one of the indexes, or of the end of one among all runs.

    Raises SerializationError naming the key for what is no place.
    """
    end = place[-_ID - _SEQUENCE :]
    beginning = place[: -len(end)]
    status, attribute = (beginning, b"") if len(beginning) <= 1 else (b"", beginning)
    return RunPlace(*run_id_of_place(end, key), status, attribute, end)


def encode_sequence(sequence: int | None) -> bytes:
    """A sequence of creation as it stands in places, empty for none."""
    return b"" if sequence is None else b"%016d" % sequence


def decode_cursor(after: object) -> int | None:
    """The sequence of the last run of a page. Raises ValidationError for what is no cursor."""
    cursor = optional_text("after", after)
    if cursor is None:
        return None
    if _CURSOR.fullmatch(cursor) is None:
        raise ValidationError(f"after must be the `next` of a page of runs, not {shown(cursor)}")
    return int(cursor)


def checked_which(which: object) -> RunFilter:
    """A filter of runs. Raises ValidationError for what is none, and for attributes that no run can have."""
    given = instance("which", which, RunFilter)
    checked_filter(given.attributes)
    return given


class SummaryRow(NamedTuple):
    """What was read of a run for a list."""

    values: Sequence[bytes | None]
    """Of the fields that were asked for."""
    fields: int
    """How many there are in the hash of the run."""
    failures: int
    failure: bytes
    """The last one of a failed run; empty if there is none."""


def decode_summary(run_id: str, names: Sequence[bytes], row: SummaryRow) -> RunSummary:
    """The summary of a run. Raises SerializationError naming the run and the part that cannot be read, or is lost."""
    fields = {name: value for name, value in zip(names, row.values, strict=True) if value is not None}
    check_count(run_id, fields, "run", row.fields - sum(name in fields for name in _COUNTS))
    if fields[b"status"] == b"failed":
        check_count(run_id, fields, "failures", row.failures)
    part = "status"
    try:
        status = MobRunStatus(fields[b"status"].decode())
        part = "head"
        head = RunHead(*unpack(fields[b"head"]))
        found: dict[str, Any] = {
            "mob_id": head.mob_id,
            "flow_id": head.flow_id,
            "created_at": ledgers.moment(head.created_at),
        }
        if _SCHEDULER in names:
            part = "flow_state"
            found["active_nodes"] = unpack(fields[_SCHEDULER])[_ACTIVE_NODES]
        part = "failure_ledger"
        found |= failure_fields(FailureLedgerEntry.model_validate_json(row.failure)) if row.failure else {}
    except _UNREADABLE as error:
        raise SerializationError(f"run {run_id}: {part} cannot be read: {error}") from error
    for name in ("completed_at", "launched_at"):
        if (stored := fields.get(name.encode())) is not None:
            found[name] = decode_time(f"run {run_id}", name, stored)
    if (launch := fields.get(b"launch")) is not None:
        started = decode_launch(run_id, launch)
        found |= {"release": started.release, "definition": started.definition}
    if (parent := decode_parent(run_id, fields.get(b"parent"))) is not None:
        found["parent"] = parent.run_id
    if (labels := decode_labels(run_id, fields)) is not NO_LABELS:
        found |= {"attributes": labels.attributes, "summary": labels.summary}
    if (turn := decode_turn(run_id, fields.get(b"conversation"))) is not None:
        found |= {"conversation": turn.id, "waits_for_turn": turn.waits and status is MobRunStatus.PENDING}
    if b"paused" in fields and not status.is_terminal:
        found["paused"] = (PauseScope.RUN,)
    return RunSummary.unchecked(
        run_id=run_id, status=status, cancel_requested=b"cancel_requested_at" in fields, **found
    )


def decode_places(run_id: str, row: SummaryRow) -> tuple[bytes, bytes, bytes]:
    """(what all places of a run end with, its place among the runs, the identity of its terminal event).

    Raises SerializationError for a run whose places cannot be told.
    """
    _, head, sequence = row.values
    try:
        found = RunHead(*unpack(head or b""))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: head cannot be read: {error}") from error
    end = b"%016d%b" % (decode_decimal(f"run {run_id}", "sequence", sequence or b"0"), run_id.encode())
    return end, place_prefix(found.mob_id, found.flow_id) + end, ended_identity(found.mob_id, found.flow_id, run_id)


def failure_fields(failure: FailureLedgerEntry) -> dict[str, str | None]:
    """What a summary has of the last failure of a failed run."""
    [*lines] = failure.reason.strip().splitlines() or [""]
    step = None if failure.step_id == FLOW_STEP else failure.step_id
    return {"failed_step": step, "failure": lines[0][:MOST_OF_A_REASON]}


def decode_params(run_id: str, stored: bytes | None) -> Any:
    """The parameters of a run. Raises SerializationError."""
    try:
        return ledgers.decode_json(stored or b"")
    except ValueError as error:
        raise SerializationError(f"run {run_id}: activation_params cannot be read: {error}") from error
