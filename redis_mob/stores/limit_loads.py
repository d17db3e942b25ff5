"""Tells how full limits are, and what waits for them: the cost grows with the limits, not with what waits."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from redis_mob.codec.deletions import decode_deletable
from redis_mob.codec.executions import decode_execution, execution_field, moment_of_milliseconds
from redis_mob.codec.packing import UNPACK_ERRORS
from redis_mob.codec.schedule import checked_limits, decode_entry, decode_queue
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.queue_load import LimitedLoad

_LANES = 200
"""How many lanes one script counts."""

MOST_LANES = 200
"""Of how many lanes it is told what they wait for."""


class Gated(NamedTuple):
    """The executions with limits that wait, by queue; for which limits; and since when the first one of some waits."""

    waiting: Counter[bytes]
    limited: dict[bytes, list[LimitedLoad]]
    since: dict[bytes, datetime]
    looked_at: Counter[bytes]


async def limit_loads(
    client: Client, keys: Keys, mob_id: str, flow_id: str, limits: Sequence[Limit]
) -> tuple[LimitLoad, ...]:
    """See `SteeringStore.limit_loads`."""
    encoded = checked_limits(mob_id, flow_id, limits)
    _, flat = await client.read("steering/limit_loads", [keys.meta, keys.gated], {"limits": list(encoded.values())})
    parts = zip(encoded, *(flat[part::5] for part in range(5)), strict=True)
    return tuple(
        LimitLoad(limit, under_way, begun, bool(full), _moment(at), _moment(closed))
        for limit, under_way, begun, full, at, closed in parts
    )


def _moment(milliseconds: bytes) -> datetime | None:
    return moment_of_milliseconds(int(milliseconds)) if milliseconds else None


async def count_gated(client: Client, keys: Keys) -> Gated:
    """What waits of executions with limits."""
    found = Gated(Counter(), defaultdict(list), {}, Counter())
    lanes: list[tuple[bytes, int, bytes]] = []
    after = b""
    while True:
        flat = await client.read("steering/count_gated", [keys.meta, keys.gated], [after, _LANES])
        for name, end, number, first in zip(*(flat[part::4] for part in range(4)), strict=True):
            queue = bytes(name[1:end])
            found.waiting[queue] += number
            lanes.append((queue, number, bytes(first)))
        if len(flat) < 4 * _LANES:
            break
        after = bytes(flat[-4])
    told = await asyncio.gather(*(_told(client, keys, queue, first) for queue, _, first in lanes[:MOST_LANES]))
    groups: dict[tuple[bytes, str, Limit], LimitedLoad] = {}
    for (queue, number, _), one in zip(lanes, told, strict=False):
        if one is None:
            continue
        flow_id, load, since = one
        found.looked_at[queue] += 1
        found.since[queue] = min(found.since.get(queue, since), since)
        if load is not None:
            of = queue, flow_id, load.limit.bound
            known = groups.get(of)
            groups[of] = LimitedLoad(flow_id, load, number + (known.waiting if known else 0))
    for (queue, _, _), limited in groups.items():
        found.limited[queue].append(limited)
    return found


async def _told(
    client: Client, keys: Keys, queue: bytes, first: bytes
) -> tuple[str, LimitLoad | None, datetime] | None:
    """The flow of a lane, the limit that it waits for, and since when its first entry waits; None if that is gone."""
    run_id, key = decode_entry(first)
    execution, flow_id = await asyncio.gather(
        _read_execution(client, keys, run_id, key), _read_head(client, keys, run_id)
    )
    if execution is None or flow_id is None:
        return None
    loads = await limit_loads(client, keys, decode_queue(queue).mob_id, flow_id, execution.limits)
    full = next((load for load in loads if load.is_full), None)
    return flow_id, full, execution.due_at


async def _read_execution(client: Client, keys: Keys, run_id: str, key: ExecutionKey) -> Execution | None:
    of_run = keys.run(run_id)
    field = execution_field(key)
    record = await client.read("steering/read_execution", [of_run.run, of_run.executions], [field])
    try:
        return None if record is None else decode_execution(bytes(record))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: an execution cannot be read: {error}") from error


async def _read_head(client: Client, keys: Keys, run_id: str) -> str | None:
    """The flow of a run; None if the run is gone."""
    of_run = keys.run(run_id)
    head = await client.read("steering/read_head", [of_run.run, of_run.index, of_run.deletion])
    return decode_deletable(run_id, head).head.flow_id if head else None
