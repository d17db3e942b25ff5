"""Makes runs of the namespace what a release without an index of runs by status has left."""

from __future__ import annotations

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.models.run_status import MobRunStatus

BYTES = "prcfx"


async def place_in_index(connection: Client, keys: Keys, run_id: str) -> bytes | None:
    """Where a run stands in the index, None if it is not there. It must not stand there twice."""
    places = await connection.router.request("ZRANGE", keys.runs_by_status, 0, -1)
    found = [place for place in places if place.endswith(run_id.encode())]
    assert len(found) <= 1
    return found[0] if found else None


async def leave_unindexed(connection: Client, keys: Keys, run_id: str) -> None:
    """As if an older release had created the run."""
    place, run = await place_in_index(connection, keys, run_id), keys.run(run_id).run
    assert place is not None
    await connection.router.request("ZREM", keys.runs_by_status, place)
    await connection.router.request("HDEL", run, "sequence")
    await connection.router.request("HINCRBY", run, "n:run", -1)


async def set_status(connection: Client, keys: Keys, run_id: str, status: MobRunStatus) -> None:
    """As if an older release had changed the status of the run."""
    await connection.router.request("HSET", keys.run(run_id).run, "status", status)
