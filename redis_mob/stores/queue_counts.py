"""Counts what waits and what is under way in each queue: the cost grows with the queues, not with what is in them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

from redis_mob.codec.executions import decode_execution, execution_field, moment_of_milliseconds
from redis_mob.codec.packing import UNPACK_ERRORS
from redis_mob.codec.schedule import decode_entry, decode_loss, decode_queue
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.queue_load import QueueLoad, QueueLoads

_COUNTS = 200
"""How many counts one script makes."""

_TIMED = 500
"""How many executions that stand in the schedule with a time one script looks at."""

MOST_TIMED = 10_000
"""How many of these are looked at in all: they stand by time, and not by queue."""

MOST_WAITING = 200
"""How many executions that wait are looked at for the oldest one, of all queues together."""

MOST_OF_QUEUE = 20
"""The same of one queue, of suspects and of others."""


async def queues(client: Client, keys: Keys) -> QueueLoads:
    """See `SteeringStore.queues`."""
    now, waiting, running = await _count_queued(client, keys)
    timed, is_whole = await _count_ready(client, keys)
    of_each = max(1, min(MOST_OF_QUEUE, MOST_WAITING // max(len(waiting), 1)))
    found = await asyncio.gather(*(_first_waiting(client, keys, queue, of_each) for queue in waiting))
    oldest = dict(zip(waiting, found, strict=True))
    loads = [
        QueueLoad(
            decode_queue(queue),
            waiting[queue],
            running[queue],
            # what is held stands there with its deadline
            max(timed[queue] - running[queue], 0) if is_whole else None,
            *oldest.get(queue, (None, 0)),
        )
        for queue in {**waiting, **running, **timed}
    ]
    return QueueLoads(tuple(sorted(loads)), moment_of_milliseconds(now))


async def _count_queued(client: Client, keys: Keys) -> tuple[int, Counter[bytes], Counter[bytes]]:
    """The time, how many executions wait in each queue, and how many workers hold there."""
    waiting, running = Counter[bytes](), Counter[bytes]()
    after = b""
    while True:
        now, reply = await client.read("steering/count_queued", [keys.meta, keys.queued], [after, _COUNTS])
        for beginning, start, number in zip(reply[::3], reply[1::3], reply[2::3], strict=True):
            counted = running if beginning.startswith(b"h") else waiting
            counted[bytes(beginning[start:])] += number
        if len(reply) < 3 * _COUNTS:
            return int(now), waiting, running
        after = bytes(reply[-3])


async def _count_ready(client: Client, keys: Keys) -> tuple[Counter[bytes], bool]:
    """How many executions of each queue stand in the schedule with a time, and whether all were looked at."""
    found = Counter[bytes]()
    for first in range(0, MOST_TIMED, _TIMED):
        looked_at, counts = await client.read("steering/count_ready", [keys.meta, keys.ready], [first, _TIMED])
        for queue, number in zip(counts[::2], counts[1::2], strict=True):
            found[bytes(queue)] += number
        if looked_at < _TIMED:
            return found, True
    return found, False


async def _first_waiting(client: Client, keys: Keys, queue: bytes, most: int) -> tuple[datetime | None, int]:
    """Since when one of the first executions of a queue waits for the longest, and how many were looked at."""
    entries, losses = await client.read("steering/first_waiting", [keys.meta, keys.queued, keys.lost], [queue, most])
    since = await asyncio.gather(
        *(_read_execution(client, keys, bytes(entry), bytes(lost)) for entry, lost in zip(entries, losses, strict=True))
    )
    return min((at for at in since if at is not None), default=None), len(entries)


async def _read_execution(client: Client, keys: Keys, entry: bytes, lost: bytes) -> datetime | None:
    """Since when an execution waits; None if it does not any more."""
    if lost != b"-":
        return decode_loss(lost).at
    run_id, key = decode_entry(entry)
    of_run = keys.run(run_id)
    record = await client.read("steering/read_execution", [of_run.run, of_run.executions], [execution_field(key)])
    if record is None:
        return None
    try:
        execution = decode_execution(bytes(record))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: an execution cannot be read: {error}") from error
    return execution.due_at if execution.status is ExecutionStatus.WAITING else None
