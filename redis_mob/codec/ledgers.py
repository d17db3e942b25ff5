"""Rows of the ledgers and outputs of a run, and the fields of their indexes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pydantic_core
from msgpack import ExtraData

from redis_mob.codec.arguments import instance, storable_json, text
from redis_mob.codec.delimited import decode_number, delimited, encode_number, undelimited
from redis_mob.codec.field_checks import field_checks, require_fields
from redis_mob.codec.packing import Argument, pack, unpack
from redis_mob.codec.payloads import Payload, payload
from redis_mob.codec.texts import packed, packed_after, unpacked
from redis_mob.codec.unknown_fields import fields_behind, stored_fields, with_unknown_fields
from redis_mob.errors import InternalError, ValidationError, shown
from redis_mob.models.base import FrozenDict, SortedDict, check_value, json_text
from redis_mob.models.ledger import (
    MAX_LOOP_ITERATION,
    FailureLedgerEntry,
    LoopIterationLedgerEntry,
    StepLedgerEntry,
    StepRunStatus,
)

if TYPE_CHECKING:
    from redis_mob.models.transition import RecordedOutput

_STEP_CHECKS = field_checks(StepLedgerEntry)
_ITERATION_CHECKS = field_checks(LoopIterationLedgerEntry)

_STEP_STATUSES = (
    StepRunStatus.DISPATCHED,
    StepRunStatus.COMPLETED,
    StepRunStatus.FAILED,
    StepRunStatus.SKIPPED,
    StepRunStatus.CANCELED,
)
"""The position is the stored code, so a new one may only be added at the end. Older releases stored the text."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - EPOCH) // MICROSECOND


def moment(since_epoch: int) -> datetime:
    """The moment that many microseconds after 1970."""
    return EPOCH + since_epoch * MICROSECOND


def encode_json(value: object) -> bytes:
    """JSON text of a value that the models have checked, with its mark if it is a number."""
    return delimited(pydantic_core.to_json(value))


def encode_value(what: str, value: object) -> bytes:
    """JSON text of any value. Raises InternalError saying what it is if no model may hold it."""
    try:
        return encode_json(check_value(value))
    except ValueError as error:
        raise InternalError(f"{what}: {error}") from None


def step_output_named(step_id: str) -> str:
    """How messages name the output of a step."""
    return f"output of step {shown(step_id)}"


def stored_value(what: str, value: object) -> Payload:
    """The same as it is stored: long texts are packed. Raises like `encode_value`."""
    return stored_text(encode_value(what, value))


def stored_text(text: bytes) -> Payload:
    """The JSON text of a value as it is stored."""
    return payload(packed(text), text)


def decode_json(data: bytes) -> Any:
    """The value of JSON text, packed or not; integers keep every digit. Raises ValueError."""
    return _value_of(unpacked(data))


def _value_of(text: bytes) -> Any:
    return pydantic_core.from_json(undelimited(text), allow_inf_nan=False)


def step_row(entry: StepLedgerEntry) -> bytes:
    """A row of the step ledger without its output, which may be replaced later; unknown fields stand behind the others.

    Raises ValidationError if it is of another class, InternalError if its fields cannot be stored.
    """
    require_fields(instance("entry", entry, StepLedgerEntry), _STEP_CHECKS)
    status = _STEP_STATUSES.index(entry.status)
    row = pack((entry.step_id, entry.agent_identity, status, microseconds(entry.timestamp)))
    return stored_fields(type(entry), unknown, row) if (unknown := entry.__pydantic_extra__) else row


def step_output(entry: StepLedgerEntry) -> bytes:
    """The JSON of the output of a row; empty when there is none."""
    return b"" if entry.output is None else encode_value(step_output_named(entry.step_id), entry.output)


def step_identity_field(entry: StepLedgerEntry) -> bytes:
    """The index field of (step, agent, status): what an entry is deduplicated by (contract: runs-11)."""
    return b"a" + pack((entry.step_id, entry.agent_identity, str(entry.status)))


def step_field(step_id: str) -> bytes:
    """The index field that holds the number of the last row of a step."""
    return b"s" + pack(step_id)


def step_arguments(entry: StepLedgerEntry) -> list[bytes]:
    """What a script gets to append a row to the step ledger. Raises like `step_row`."""
    row = step_row(entry)  # first: it refuses what is no entry
    return _row_arguments(entry, row, stored_text(step_output(entry)))


def step_arguments_of_all(entries: Iterable[StepLedgerEntry]) -> list[list[bytes]]:
    """What a script gets to append rows one behind the other. Raises like `step_row`.

    The output of a step repeats those of its members: it is packed after the last one before it. That one cannot change
    any more: only the output of the last row of a step can be set.
    """
    arguments: list[list[bytes]] = []
    lasts: dict[str, tuple[int, bytes]] = {}
    for number, entry in enumerate(entries):
        row, output = step_row(entry), step_output(entry)
        last, before = lasts.get(entry.step_id, (number, b""))
        stored = payload(packed_after(output, before, number - last), output)
        arguments.append(_row_arguments(entry, row, stored))
        if output:
            lasts[entry.step_id] = number, output
    return arguments


def _row_arguments(entry: StepLedgerEntry, row: bytes, output: bytes) -> list[bytes]:
    return [row, output, step_identity_field(entry), step_field(entry.step_id)]


def decode_step_rows(rows: Sequence[bytes], outputs: Mapping[bytes, bytes]) -> tuple[StepLedgerEntry, ...]:
    """The step ledger from its rows and the outputs by row number."""
    entries: list[StepLedgerEntry] = []
    texts: list[bytes | None] = []

    def before(distance: int) -> bytes | None:
        return texts[-distance] if 0 < distance <= len(texts) else None

    for number, row in enumerate(rows):
        unknown = None
        try:
            values = unpack(row)
        except ExtraData as more:
            values, unknown = fields_behind(more)
        step_id, agent, status, at = values
        output = outputs.get(b"%d" % number)
        texts.append(None if output is None else unpacked(output, before))
        text = texts[-1]
        entry = StepLedgerEntry.unchecked(
            step_id=step_id,
            agent_identity=agent,
            status=StepRunStatus(status) if isinstance(status, str) else _STEP_STATUSES[status],
            output=None if text is None else _value_of(text),
            timestamp=moment(at),
        )
        entries.append(with_unknown_fields(entry, unknown) if unknown else entry)
    return tuple(entries)


def failure_row(entry: FailureLedgerEntry) -> Payload:
    """A row of the failure ledger. Raises ValidationError for another class, InternalError as `storable_json` does."""
    checked = instance("entry", entry, FailureLedgerEntry)
    return payload(
        storable_json(
            "the failure ledger entry",
            lambda: checked.model_dump_json(warnings="error").encode(),
            FailureLedgerEntry.model_validate_json,
        )
    )


def failure_step_field(step_id: str) -> bytes:
    """The index field that says that a step has a failure."""
    return b"f" + pack(step_id)


def failure_content_field(entry: FailureLedgerEntry) -> bytes:
    """The index field of a failure's content, its time left out (contract: runs-13)."""
    stored = entry.model_dump_json(exclude={"timestamp"})
    equal = json.loads(stored, parse_float=lambda digits: float(digits) + 0.0)  # -0.0 equals 0.0, and becomes it
    return b"c" + blake2b(json_text(equal, sort_keys=True).encode(), digest_size=16).digest()


def failure_arguments(entry: FailureLedgerEntry) -> list[bytes]:
    """What a script gets to append a row to the failure ledger."""
    return [failure_row(entry), failure_step_field(entry.step_id), failure_content_field(entry)]


def decode_failure_rows(rows: Sequence[bytes]) -> tuple[FailureLedgerEntry, ...]:
    """The failure ledger from its rows."""
    return tuple(map(FailureLedgerEntry.model_validate_json, rows))


def iteration_row(entry: LoopIterationLedgerEntry) -> bytes:
    """A row of the loop iteration ledger; unknown fields stand behind the others. Raises like `step_row`."""
    require_fields(instance("ledger_entry", entry, LoopIterationLedgerEntry), _ITERATION_CHECKS)
    row = pack(iteration_identity(entry))
    return stored_fields(type(entry), unknown, row) if (unknown := entry.__pydantic_extra__) else row


def iteration_identity(entry: LoopIterationLedgerEntry) -> tuple[str, int, str]:
    """What a row of the loop iteration ledger is there once for (contract: runs-14)."""
    return entry.loop_instance_id, entry.iteration, entry.frame_id


def iteration_field(entry: LoopIterationLedgerEntry) -> bytes:
    """The index field of a row of the loop iteration ledger."""
    return b"i" + pack(iteration_identity(entry))


def iteration_arguments(entry: LoopIterationLedgerEntry) -> list[bytes]:
    """What a script gets to record an iteration."""
    return [iteration_row(entry), iteration_field(entry)]


def decode_iteration_rows(rows: Sequence[bytes]) -> tuple[LoopIterationLedgerEntry, ...]:
    """The loop iteration ledger from its rows."""
    return tuple(map(_iteration_of, rows))


def _iteration_of(row: bytes) -> LoopIterationLedgerEntry:
    unknown = None
    try:
        values = unpack(row)
    except ExtraData as more:
        values, unknown = fields_behind(more)
    loop, iteration, frame = values
    entry = LoopIterationLedgerEntry.unchecked(loop_instance_id=loop, iteration=iteration, frame_id=frame)
    return with_unknown_fields(entry, unknown)


def checked_place(step_id: str, loop_context: tuple[str, int] | None) -> tuple[str, tuple[str, int] | None]:
    """The place of an output: its step, and (loop id, iteration) if that stands in the body of a loop.

    Raises ValidationError for a name that is no text, or a context that is no pair. Raises InternalError for an
    iteration that is no integer from 0 to 1,000,000 (contract: runs-27), or a name that is no UTF-8.
    """
    step = text("step id", step_id)
    if loop_context is None:
        return step, None
    if not isinstance(loop_context, tuple | list) or len(loop_context) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"loop_context must be (loop id, iteration), not {shown(loop_context)}")
    loop_id, iteration = text("loop_context[0]", loop_context[0]), loop_context[1]
    if type(iteration) is not int or not 0 <= iteration <= MAX_LOOP_ITERATION:
        raise InternalError(
            f"iteration {shown(iteration)} of loop {shown(loop_id)} is no integer from 0 to {MAX_LOOP_ITERATION}"
        )
    return step, (loop_id, iteration)


def output_field(step_id: str, loop_context: tuple[str, int] | None = None) -> bytes:
    """The field of a recorded output: of a root step, or of a step in one iteration of a loop."""
    return pack((step_id,)) if loop_context is None else pack((*loop_context, step_id))


def length_field(loop_id: str) -> bytes:
    """The field that holds how many iterations of a loop have outputs, empty ones included."""
    return pack((loop_id, "length"))


def output_arguments(step_id: str, json: bytes, loop_context: tuple[str, int] | None) -> list[Argument]:
    """What a script gets to record an output. Raises like `checked_place`."""
    step, context = checked_place(step_id, loop_context)
    covered = (b"", 0) if context is None else (length_field(context[0]), context[1])
    return [output_field(step, context), stored_text(json), *covered]


def encode_recorded(recorded: RecordedOutput) -> list[Argument]:
    """What a script gets to record an output of a transition. Raises like `encode_value` and `checked_place`."""
    output = encode_value(step_output_named(recorded.step_id), recorded.output)
    return output_arguments(recorded.step_id, output, recorded.loop_context)


def encode_outputs(root: Mapping[str, Any], loops: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[bytes]:
    """Fields and values of all outputs of a run as it is first written."""
    values: dict[bytes, Payload] = {}
    for step, value in root.items():
        values[output_field(text("step id", step))] = stored_value(step_output_named(step), value)
    for loop_id, iterations in loops.items():
        for number, outputs in enumerate(iterations):
            for step, value in outputs.items():
                field = output_field(*checked_place(step, (loop_id, number)))
                values[field] = stored_value(step_output_named(step), value)
    fields: list[bytes] = []
    for place, (field, value) in enumerate(values.items()):
        before = b"%d:" % place
        fields += (field, payload(before + value, before + value.whole, clear=len(before)))
    for loop_id, iterations in loops.items():
        fields += (length_field(loop_id), encode_number(len(iterations)))
    return fields


def decode_outputs(
    stored: Mapping[bytes, bytes],
) -> tuple[FrozenDict[str, Any], SortedDict[tuple[FrozenDict[str, Any], ...]]]:
    """The outputs of root steps and of loop iterations, each in the order of their first recording."""
    placed: list[tuple[int, tuple[Any, ...], Any]] = []
    loops: dict[str, list[dict[str, Any]]] = {}
    for field, value in stored.items():
        path = unpack(field)
        if len(path) == 2:
            if not 0 <= (length := decode_number(value)) <= MAX_LOOP_ITERATION + 1:
                raise ValueError(f"loop {shown(path[0])} has {length} iterations")
            loops[path[0]] = [{} for _ in range(length)]
        else:
            place, _, json = value.partition(b":")
            placed.append((int(place), path, decode_json(json)))
    root: dict[str, Any] = {}
    for _, path, value in sorted(placed, key=lambda item: item[0]):
        if len(path) == 1:
            root[path[0]] = value
        else:
            loops[path[0]][path[1]][path[2]] = value
    return FrozenDict(root), SortedDict(
        {loop_id: tuple(map(FrozenDict, iterations)) for loop_id, iterations in loops.items()}
    )
