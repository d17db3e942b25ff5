"""Counts what waits and what is under way in each queue: the cost grows with the queues, not with what is in them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from redis_mob.codec.executions import decode_execution, execution_field, moment_of_milliseconds
from redis_mob.codec.packing import UNPACK_ERRORS
from redis_mob.codec.schedule import decode_entry, decode_loss, decode_queue
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.queue_load import QueueLoad, QueueLoads
from redis_mob.stores.limit_loads import count_gated

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
    now, waiting, running, aside = await _count_queued(client, keys)
    gated = await count_gated(client, keys)
    waiting += gated.waiting
    ready = await _count_ready(client, keys)
    timed = ready.timed - ready.come
    # the next worker that looks moves those to the others whose time has come
    every_waiting = waiting + ready.come
    of_each = max(1, min(MOST_OF_QUEUE, MOST_WAITING // max(len(waiting), 1)))
    found = await asyncio.gather(*(_first_waiting(client, keys, queue, of_each) for queue in waiting))
    oldest = dict(zip(waiting, found, strict=True))
    for queue, at in gated.since.items():
        since, looked_at = oldest[queue]
        oldest[queue] = at if since is None else min(at, since), looked_at + gated.looked_at[queue]
    loads: list[QueueLoad] = []
    for queue in {**every_waiting, **running, **timed, **aside}:
        since, looked_at = oldest.get(queue, (None, 0))
        loads.append(
            QueueLoad(
                decode_queue(queue),
                every_waiting[queue],
                running[queue],
                # what is held stands there with its deadline
                max(timed[queue] - running[queue], 0) if ready.is_whole else None,
                min((at for at in (since, ready.since.get(queue)) if at is not None), default=None),
                looked_at + ready.come[queue],
                aside[queue],
                tuple(gated.limited.get(queue, ())),
            )
        )
    return QueueLoads(tuple(sorted(loads)), moment_of_milliseconds(now))


async def _count_queued(client: Client, keys: Keys) -> tuple[int, Counter[bytes], Counter[bytes], Counter[bytes]]:
    """The time, how many executions wait in each queue, how many workers hold there, and how many stand aside."""
    waiting, running, aside = Counter[bytes](), Counter[bytes](), Counter[bytes]()
    counted = {b"h": running, b"p": aside}
    after = b""
    while True:
        now, reply = await client.read("steering/count_queued", [keys.meta, keys.queued], [after, _COUNTS])
        for beginning, start, number in zip(reply[::3], reply[1::3], reply[2::3], strict=True):
            counted.get(bytes(beginning[:1]), waiting)[bytes(beginning[start:])] += number
        if len(reply) < 3 * _COUNTS:
            return int(now), waiting, running, aside
        after = bytes(reply[-3])


class _Ready(NamedTuple):
    """The executions that stand in the schedule with a time, by queue: how many, for how many of these it has come, and
    since when for the first one; and whether all were looked at."""

    timed: Counter[bytes]
    come: Counter[bytes]
    since: dict[bytes, datetime]
    is_whole: bool


async def _count_ready(client: Client, keys: Keys) -> _Ready:
    timed, come, since = Counter[bytes](), Counter[bytes](), dict[bytes, datetime]()
    looked_at = _TIMED
    for first in range(0, MOST_TIMED, _TIMED):
        looked_at, counts = await client.read("steering/count_ready", [keys.meta, keys.ready], [first, _TIMED])
        for queue, number, number_come, at in zip(*(counts[part::4] for part in range(4)), strict=True):
            timed[bytes(queue)] += number
            come[bytes(queue)] += number_come
            if at:
                since.setdefault(bytes(queue), moment_of_milliseconds(int(at)))
        if looked_at < _TIMED:
            break
    return _Ready(timed, come, since, looked_at < _TIMED)


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
