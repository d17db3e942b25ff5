"""What operators do with runs and queues, on Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from redis_mob.codec.arguments import duration
from redis_mob.codec.documents import decode_members
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.moves import release_name
from redis_mob.codec.run_copies import checked_copy
from redis_mob.codec.signals import decode_published
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import SteeringStore
from redis_mob.errors import NotFoundError
from redis_mob.models.base import canonical_run_id
from redis_mob.models.definition import MobDefinition
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.queue_load import QueueLoads
from redis_mob.models.run_copy import RunCopy
from redis_mob.stores.deletion import RunDeletion
from redis_mob.stores.importing import RunImport
from redis_mob.stores.limit_loads import limit_loads
from redis_mob.stores.moving import RunMove
from redis_mob.stores.queue_counts import queues
from redis_mob.stores.readable import readable


@readable
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
        return tuple(sorted(decode_members(self._keys.deletions, found)))

    async def limit_loads(self, mob_id: str, flow_id: str, limits: Sequence[Limit]) -> tuple[LimitLoad, ...]:
        return await limit_loads(self._client, self._keys, mob_id, flow_id, limits)

    async def move_run(self, run_id: str, release: str | None) -> bool:
        return await RunMove(self._client, self._keys, run_id).to(release_name(release))

    async def import_run(self, copy: RunCopy, definition: MobDefinition) -> bool:
        return await RunImport(self._client, self._keys, *checked_copy(copy, definition)).store()

    async def published_of(self, run_id: str) -> Mapping[str, Any]:
        keys = self._keys.run(run_id)
        found = await self._client.read("steering/published_of", [keys.run, keys.index, keys.published])
        if found is None:
            raise NotFoundError.of_run(run_id, self._keys.namespace)
        values = as_mapping(found)
        return {name.decode(): decode_published(run_id, name.decode(), data) for name, data in values.items()}

    async def queues(self) -> QueueLoads:
        return await queues(self._client, self._keys)
