"""Executions and what a run was started with, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from redis_mob import errors
from redis_mob.codec.arguments import instance, storable_json, text
from redis_mob.codec.ledgers import EPOCH, microseconds, moment
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.codec.payloads import Payload, Records, payload
from redis_mob.codec.texts import packed, unpacked
from redis_mob.errors import SerializationError, shown
from redis_mob.models.execution import END_OF_TIME, Execution, ExecutionKey, ExecutionStatus, RunLaunch
from redis_mob.models.fork import is_nothing_carried
from redis_mob.models.run_status import MobRunStatus

_EXECUTION = TypeAdapter(Execution)
"""Reads an execution that was written a moment ago, and so gives no field twice."""

MILLISECOND = timedelta(milliseconds=1)

_END = (END_OF_TIME - EPOCH) / MILLISECOND


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970, rounded up: what is due then is due."""
    return -((EPOCH - at) // MILLISECOND)


def moment_of_milliseconds(at: float) -> datetime:
    """The moment that many milliseconds after 1970, or the end of time if it is behind that."""
    return EPOCH + at * MILLISECOND if at < _END else END_OF_TIME


SIGNAL = b"s"
"""What the field of a signal begins with, which waits among the executions of its run: a commit takes it from there
with the same change that completes the execution which takes it. The field of an execution is a msgpack array (decision
0025)."""

_PACKED = b"\x01"
"""The first byte of the record of an execution that is over. No JSON begins with it."""

PROGRESS = b"\x02"
"""The first byte of how far a node is with its items (see codec/items). No JSON begins with it either."""

_OVER = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED)
"""The position is the stored code, so a new one may only be added at the end."""

_COLUMNS = ("step_id", "role", "attempt", "lost", "fencing_token")
"""What stands as it is in a packed record, between status and time; all other fields stand behind these, as JSON."""

_APART = {"status", *_COLUMNS, "due_at"}


_RECORDS = Records(Execution)


def encode_execution(execution: Execution, *, is_vouched: bool = False) -> Payload:
    """The record of an execution; equal executions have equal bytes, which is what a compare-and-swap compares.

    It is JSON while the execution is under way, so that it equals the record that an older release has written. One
    that is over is packed: it is kept as long as its run, and never compared again (decision 0021).

    An execution remembers its record: what one commit writes is what the next one compares. It is not tried whether one
    that is vouched for can be read back. Raises ValidationError if it is of another class, InternalError if it could
    not be read back.
    """
    checked = instance("execution", execution, Execution)
    if (known := _RECORDS.known(checked)) is not None:
        return known
    if vars(checked).get("status") in _OVER:
        record = storable_json(
            "the execution",
            lambda: _packed(checked),
            lambda packed: _require_same(checked, packed),
            is_vouched=is_vouched,
        )
    else:
        record = storable_json(
            "the execution",
            lambda: checked.model_dump_json(warnings="error").encode(),
            _EXECUTION.validate_json,
            is_vouched=is_vouched,
        )
    return _RECORDS.remember(checked, payload(record))


def _packed(execution: Execution) -> bytes:
    fields = vars(execution)
    columns = [fields[name] for name in _COLUMNS]
    rest = execution.model_dump_json(exclude=_APART, warnings="error")[1:-1]
    text = rest.encode()
    short = packed(text)
    kept = rest if short is text else short
    return _PACKED + pack((_OVER.index(fields["status"]), *columns, microseconds(fields["due_at"]), kept))


def _unpacked(record: bytes) -> Execution:
    status, *columns, due_at, rest = unpack(record[len(_PACKED) :])
    fields: dict[str, object] = {"status": _OVER[status], "due_at": moment(due_at)}
    fields.update(zip(_COLUMNS, columns, strict=True))
    text = unpacked(rest) if isinstance(rest, bytes) else rest.encode()
    return _EXECUTION.validate_json(b"%b,%b}" % (to_json(fields)[:-1], text))


def _require_same(execution: Execution, packed: bytes) -> None:
    for name, value in vars(_unpacked(packed)).items():
        if value != vars(execution)[name]:
            raise ValueError(f"{name}: its value is of another type")


def checked_key(key: ExecutionKey) -> ExecutionKey:
    """The same key. Raises ValidationError if it is no tuple of three texts, InternalError if one is no UTF-8."""
    if not isinstance(key, tuple) or len(key) != len(ExecutionKey._fields):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.ValidationError(f"key must be an ExecutionKey, not {shown(key)}")
    return ExecutionKey(*map(text, ExecutionKey._fields, key))


def execution_field(key: ExecutionKey) -> bytes:
    """The field of an execution among those of its run. Raises like `checked_key`."""
    return pack(checked_key(key))


def decode_execution(record: bytes) -> Execution:
    """The execution of a record. Raises ValueError, or one of UNPACK_ERRORS."""
    if record.startswith(_PACKED):
        return _unpacked(record)
    return _RECORDS.read(Execution.model_validate_json(record), record)


def decode_executions(run_id: str, stored: Mapping[bytes, bytes]) -> dict[ExecutionKey, Execution]:
    """The executions of a run, without what else stands among them: signals, and how far nodes are with their items.

    Raises SerializationError naming the run.
    """
    try:
        return {
            ExecutionKey(*unpack(field)): decode_execution(record)
            for field, record in stored.items()
            if not field.startswith(SIGNAL) and not record.startswith(PROGRESS)
        }
    except (*UNPACK_ERRORS, ValidationError) as error:
        raise SerializationError(f"run {run_id}: an execution cannot be read: {error}") from error


def due_run(run_id: str) -> bytes:
    """A run in the order of what is due."""
    return run_id.encode()


def encode_launch(launch: RunLaunch) -> bytes:
    """What a run was started with. Raises ValidationError for another class, InternalError for what is unreadable."""
    checked = instance("launch", launch, RunLaunch)
    record = storable_json("the launch", lambda: checked.model_dump_json(warnings="error").encode(), _read_launch)
    # outputs of the run that it was forked from; no blob, since the deletion of another run reads the launch too
    return record if is_nothing_carried(checked.carried) else payload(record, stays=True)


def decode_launch(run_id: str, data: bytes) -> RunLaunch:
    """What a run was started with. Raises SerializationError naming the run."""
    try:
        return _read_launch(data)
    except ValidationError as error:
        raise SerializationError(f"run {run_id}: launch cannot be read: {error}") from error


MOST_REMEMBERED = 65_536
"""A longer launch is read each time: it holds what is carried over to one forked run."""


_TRACE = b',"trace":"'
_TRACE_LENGTH = 55 + len('"}')
"""Of a context of version 00, and of what ends the launch."""


def _read_launch(data: bytes) -> RunLaunch:
    if len(data) > MOST_REMEMBERED:
        return RunLaunch.model_validate_json(data)
    # the trace alone differs between the runs of a flow: the rest is read once
    rest, found, trace = data.rpartition(_TRACE)
    if found and len(trace) == _TRACE_LENGTH and trace.endswith(b'"}') and b'"' not in trace[:-2]:
        return _launch_of(rest + b"}").model_copy(update={"trace": trace[:-2].decode()})
    return _launch_of(data)


@lru_cache(maxsize=256)
def _launch_of(data: bytes) -> RunLaunch:
    # all runs that a fleet starts of one flow have the same one
    return RunLaunch.model_validate_json(data)


def decode_status(run_id: str, data: bytes) -> MobRunStatus:
    """The status of a run. Raises SerializationError naming the run."""
    try:
        return MobRunStatus(data.decode())
    except ValueError as error:
        raise SerializationError(f"run {run_id}: status cannot be read: {error}") from error
