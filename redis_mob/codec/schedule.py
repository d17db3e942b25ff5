"""The schedule as bytes: queues, the entries of executions in them, how executions were lost, and workers.

An entry names an execution where it waits and where it is held. It begins with its queue, the rank of its priority and
the id of its run, so that in lexical order the executions of a queue stand together, by priority and then by run. That
of an execution with limits has these behind its queue: those with the same limits stand together (decision 0034).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from struct import error as StructError  # noqa: N812

from pydantic import ValidationError

from redis_mob import errors
from redis_mob.codec.arguments import instance, listed, storable, storable_json, text
from redis_mob.codec.executions import checked_key, moment_of_milliseconds
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack_all
from redis_mob.errors import SerializationError, shown
from redis_mob.models.due_work import DueExecution
from redis_mob.models.execution import MOST_PRIORITY, ExecutionKey, HowLost, Loss, Queue, RunLaunch
from redis_mob.models.limits import Counts, Limit
from redis_mob.models.worker import WorkerRecord

_LENGTH = Struct(">I")
"""Stands before each part of a queue."""

_BOUNDS = Struct(">IQ")
"""The bound of a limit, and the time for which it holds (ms)."""

_UNITS = Struct(">IHII")
"""The bound of a limit of units, the time for which it holds (ms) in two parts, and the units of an execution."""

_LETTERS = {None: b"r", Counts.INPUT: b"i", Counts.OUTPUT: b"o", Counts.TOTAL: b"u"}
"""By what a rate counts."""

_ABOUT_QUEUE = b"q"
_ABOUT_WORKER = b"w"


def encode_queue(queue: Queue) -> bytes:
    """A queue; no queue is the beginning of another one."""
    return b"".join(map(_part, queue))


def decode_queue(data: bytes) -> Queue:
    """The queue of these bytes. Raises SerializationError."""
    queue, end = _queue_in(data)
    if end != len(data):
        raise SerializationError(f"a queue of the schedule cannot be read: {shown(data)}")
    return queue


def encode_role(mob_id: str, role: str | None = None) -> bytes:
    """What the queues of a mob begin with, or those of one of its roles."""
    return _part(mob_id) + (b"" if role is None else _part(role))


def queue_of(mob_id: str, role: str, launch: RunLaunch) -> Queue:
    """The queue in which the executions of a role wait, of a run that was started so."""
    return Queue(mob_id, role, launch.release or "", launch.definition)


def encode_entry(queue: bytes, priority: int, run_id: str, key: ExecutionKey, limits: bytes = b"") -> bytes:
    """The entry of an execution in a queue, with its limits as `encode_limits` gives them."""
    return b"".join((queue, limits, pack(MOST_PRIORITY - priority), *map(pack, (run_id, *checked_key(key)))))


def encode_limits(mob_id: str, flow_id: str, limits: Sequence[Limit]) -> bytes:
    """The limits of an execution as its entry has them, and lua/lib/gates reads them; nothing if there are none.

    A limit is a letter, `c` for what is under way, `r` for what begins, and `i`, `o` and `u` for units, a digest that
    is the same wherever the same is counted, and its bounds. What differs in the bound alone, or in the units, is
    counted together.
    """
    return pack(b"".join(_encoded_limit(mob_id, flow_id, limit) for limit in limits)) if limits else b""


def checked_limits(mob_id: str, flow_id: str, limits: object) -> dict[Limit, bytes]:
    """Each of these limits of a flow, and as an entry has it. Raises ValidationError for other things."""
    checked = [instance(f"limits[{number}]", one, Limit) for number, one in enumerate(listed("limits", limits))]
    names = text("mob_id", mob_id), text("flow_id", flow_id)
    return storable("the limits", lambda: {limit: _encoded_limit(*names, limit) for limit in checked})


def _encoded_limit(mob_id: str, flow_id: str, limit: Limit) -> bytes:
    kind = b"c" if limit.per_ms is None else _LETTERS[limit.counts]
    counted = (mob_id, flow_id, limit.step_id, limit.key, limit.per_ms)
    digest = blake2b(b"".join(map(pack, counted)), digest_size=16).digest()
    per = limit.per_ms or 0
    if limit.units is None:
        return kind + digest + _BOUNDS.pack(limit.limit, per)
    return kind + digest + _UNITS.pack(limit.limit, per >> 32, per & 0xFFFF_FFFF, limit.units)


def decode_entry(entry: bytes) -> tuple[str, ExecutionKey]:
    """(run id, key) of the execution of an entry. Raises SerializationError."""
    _, end = _queue_in(entry)
    try:
        limits, *parts = unpack_all(entry[end:])
        _, run_id, *key = parts if isinstance(limits, bytes) else (limits, *parts)
        return run_id, ExecutionKey(*key)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"an entry of the schedule cannot be read: {error}") from error


def _part(name: str) -> bytes:
    data = name.encode()
    return _LENGTH.pack(len(data)) + data


def _queue_in(data: bytes) -> tuple[Queue, int]:
    """The queue that these bytes begin with, and where it ends."""
    names: list[str] = []
    end = 0
    try:
        for _ in Queue._fields:
            (length,) = _LENGTH.unpack_from(data, end)
            end += _LENGTH.size + length
            names.append(data[end - length : end].decode())
    except (StructError, ValueError) as error:
        raise SerializationError(f"a queue of the schedule cannot be read: {error}") from error
    return Queue(*names), end


def holder(owner: str, *, suspect: bool) -> bytes:
    """What stands before the entry of an execution that a worker holds."""
    return b"".join((b"h", owner.encode(), b"\0", b"s" if suspect else b"-"))


def decode_due(entry: bytes, lost: bytes) -> DueExecution:
    """An execution that was taken, and how it was lost: `-` if it was not. Raises SerializationError."""
    run_id, key = decode_entry(entry)
    return DueExecution(run_id, key, None if lost == b"-" else decode_loss(lost))


def decode_loss(data: bytes) -> Loss:
    """How an execution was lost, as lua/lib/worker_loss writes it. Raises SerializationError."""
    try:
        how, at, rest = data.decode().split(" ", 2)
        worker, host = rest.removesuffix("\n").split("\0", 1)
        if not rest.endswith("\n"):
            raise ValueError("it was cut short")
        return Loss(HowLost(how), worker, host, moment_of_milliseconds(int(at)))
    except (ValueError, OverflowError) as error:
        raise SerializationError(f"the loss of an execution cannot be read: {error}") from error


def encode_worker(worker: WorkerRecord) -> bytes:
    """A worker as the schedule lists it: its id, its host, and what it says of itself.

    Raises ValidationError for another class, or a zero byte in its id or host.
    """
    checked = instance("worker", worker, WorkerRecord)
    record = storable_json(
        "the worker", lambda: checked.model_dump_json(warnings="error").encode(), WorkerRecord.model_validate_json
    )
    return b"\0".join((worker_id(worker.id).encode(), worker_id(worker.host).encode(), record))


def worker_id(id: str) -> str:
    """The same text, if it can name a worker. Raises ValidationError."""
    if not text("the id of a worker", id) or "\0" in id:
        raise errors.ValidationError(f"{shown(id)} names no worker: it is empty, or has a zero byte")
    return id


def decode_worker(data: bytes) -> WorkerRecord:
    """What a worker says of itself. Raises SerializationError."""
    try:
        return WorkerRecord.model_validate_json(data.split(b"\0", 2)[2])
    except (LookupError, ValidationError) as error:
        raise SerializationError(f"a worker of the schedule cannot be read: {error}") from error


def about_queue(queue: bytes) -> bytes:
    """The message that executions wait in a queue."""
    return _ABOUT_QUEUE + queue


def about_worker(id: str) -> bytes:
    """The message that something was taken from a worker."""
    return _ABOUT_WORKER + id.encode()


def queue_in(message: bytes) -> Queue | None:
    """The queue that a message is about, None if it is about none."""
    return decode_queue(message[1:]) if message.startswith(_ABOUT_QUEUE) else None
