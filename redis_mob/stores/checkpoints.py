"""Checkpoints on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis_mob.codec import checkpoints as codec
from redis_mob.codec.executions import encode_execution, execution_field
from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import won
from redis_mob.contracts import CheckpointStore
from redis_mob.errors import NotFoundError
from redis_mob.models.base import canonical_run_id
from redis_mob.models.checkpoint import MOST_CHECKPOINTS, Checkpoint
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.stores.readable import readable

_READ = 500
"""About how many records of the index one script looks at."""


@readable
class RedisCheckpointStore(CheckpointStore):
    """The contract's `CheckpointStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def keep(self, run_id: str, key: ExecutionKey, execution: Execution, checkpoint: Checkpoint) -> bool:
        keys = self._keys.run(run_id)
        field, record = codec.encode_checkpoint(key, checkpoint)
        reply = await self._client.call(
            "checkpoints/keep",
            [keys.run, keys.index, keys.executions],
            [execution_field(key), encode_execution(execution), field, record, MOST_CHECKPOINTS],
        )
        return won(reply, run_id, self._keys.namespace, codec.too_many_checkpoints(checkpoint.name))

    async def find(self, run_id: str, key: ExecutionKey, name: str, ordinal: int) -> Checkpoint | None:
        keys, field = self._keys.run(run_id), codec.checkpoint_field(key, name, ordinal)
        found = await self._client.read("checkpoints/find", [keys.run, keys.index], [field])
        if found is None:
            raise NotFoundError.of_run(run_id, self._keys.namespace)
        return codec.decode_checkpoint(canonical_run_id(run_id), field, bytes(found[0]))[1] if found else None

    async def of_run(self, run_id: str) -> Mapping[ExecutionKey, Sequence[Checkpoint]]:
        keys = self._keys.run(run_id)
        stored: dict[bytes, bytes] = {}
        cursor = b"0"
        while True:
            part = await self._client.read("checkpoints/of_run", [keys.run, keys.index], [cursor, _READ, codec.PATTERN])
            if part is None:
                raise NotFoundError.of_run(run_id, self._keys.namespace)
            stored |= as_mapping(part[1])
            if (cursor := bytes(part[0])) == b"0":
                break
        canonical = canonical_run_id(run_id)
        return codec.by_execution(codec.decode_checkpoint(canonical, *one) for one in stored.items())
