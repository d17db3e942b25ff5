"""The entries of executions with limits in the schedule: the limits stand in them, and only records tell those."""

from __future__ import annotations

from redis_mob.codec.deletions import DeletableRun
from redis_mob.codec.executions import decode_executions
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.schedule import encode_entry, encode_limits, encode_queue, queue_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError
from redis_mob.stores.schedule import GATES


async def limited_entries(client: Client, keys: Keys, run: DeletableRun) -> list[bytes]:
    """Those of a run. None of one that cannot be read: what is left there, workers come upon."""
    launch, head = run.launch, run.head
    if launch is None:
        return []
    of_run = keys.run(run.run_id)
    keys_of_call = [keys.limits, of_run.executions, keys.meta, of_run.run]
    records = await client.read("steering/limited_entries", keys_of_call, [GATES])
    try:
        executions = decode_executions(run.run_id, as_mapping(records))
    except SerializationError:
        return []
    return [
        encode_entry(
            encode_queue(queue_of(head.mob_id, one.role, launch)),
            launch.priority,
            run.run_id,
            key,
            encode_limits(head.mob_id, head.flow_id, one.limits),
        )
        for key, one in executions.items()
        if one.limits
    ]
