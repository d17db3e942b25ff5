"""What operators do with runs and queues, on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from redis_mob.codec.arguments import duration
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import SteeringStore
from redis_mob.models.base import canonical_run_id
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.queue_load import QueueLoads
from redis_mob.stores.deletion import RunDeletion
from redis_mob.stores.limit_loads import limit_loads
from redis_mob.stores.queue_counts import queues


class RedisSteeringStore(SteeringStore):
    """The contract's `SteeringStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def begin_deletion(self, run_id: str, *, keep_id_for: timedelta | None = None) -> DeletionStart:
        deletion = self._deletion(run_id)
        kept = timedelta() if keep_id_for is None else duration("keep_id_for", keep_id_for)
        return await deletion.begin(kept // timedelta(milliseconds=1))

    async def continue_deletion(self, run_id: str) -> bool:
        return await self._deletion(run_id).go_on()

    def _deletion(self, run_id: str) -> RunDeletion:
        self._keys.run(run_id)  # refuses what is no id
        return RunDeletion(self._client, self._keys, canonical_run_id(run_id))

    async def deletions(self) -> tuple[str, ...]:
        found = await self._client.read("steering/deletions", [self._keys.meta, self._keys.deletions])
        return tuple(sorted(bytes(run_id).decode() for run_id in found))

    async def limit_loads(self, mob_id: str, flow_id: str, limits: Sequence[Limit]) -> tuple[LimitLoad, ...]:
        return await limit_loads(self._client, self._keys, mob_id, flow_id, limits)

    async def queues(self) -> QueueLoads:
        return await queues(self._client, self._keys)
