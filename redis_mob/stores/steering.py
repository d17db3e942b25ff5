"""What operators do with runs and queues, on Redis."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.codec.arguments import duration
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import SteeringStore
from redis_mob.models.base import canonical_run_id
from redis_mob.models.queue_load import QueueLoads
from redis_mob.stores.deletion import RunDeletion
from redis_mob.stores.queue_counts import queues


class RedisSteeringStore(SteeringStore):
    """The contract's `SteeringStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def delete_run(self, run_id: str, *, keep_id_for: timedelta | None = None) -> bool:
        self._keys.run(run_id)  # refuses what is no id
        kept = timedelta() if keep_id_for is None else duration("keep_id_for", keep_id_for)
        deletion = RunDeletion(self._client, self._keys, canonical_run_id(run_id))
        return await deletion.delete(kept // timedelta(milliseconds=1))

    async def deletions(self) -> tuple[str, ...]:
        found = await self._client.read("steering/deletions", [self._keys.meta, self._keys.deletions])
        return tuple(sorted(bytes(run_id).decode() for run_id in found))

    async def queues(self) -> QueueLoads:
        return await queues(self._client, self._keys)
