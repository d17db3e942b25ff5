"""Checkpoints in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis_mob.codec import checkpoints as codec
from redis_mob.codec.executions import encode_execution
from redis_mob.contracts import CheckpointStore
from redis_mob.errors import CasConflictError
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import existing_run
from redis_mob.models.checkpoint import MOST_CHECKPOINTS, Checkpoint
from redis_mob.models.execution import Execution, ExecutionKey


class MemoryCheckpointStore(CheckpointStore):
    """The contract's `CheckpointStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def keep(self, run_id: str, key: ExecutionKey, execution: Execution, checkpoint: Checkpoint) -> bool:
        content = self._access.content
        field, record = codec.encode_checkpoint(key, checkpoint)
        expected, run = encode_execution(execution), existing_run(content, run_id)
        stored = content.executions.get(run.run_id, {}).get(key)
        if stored is None or encode_execution(stored) != expected:
            return False
        kept = content.checkpoints[run.run_id]
        if field not in kept and len(kept) >= MOST_CHECKPOINTS:
            raise CasConflictError(f"run {run_id}: {codec.too_many_checkpoints(checkpoint.name)}")
        kept[field] = record
        return True

    async def find(self, run_id: str, key: ExecutionKey, name: str, ordinal: int) -> Checkpoint | None:
        content, field = self._access.content, codec.checkpoint_field(key, name, ordinal)
        run = existing_run(content, run_id)
        record = content.checkpoints[run.run_id].get(field)
        return None if record is None else codec.decode_checkpoint(run.run_id, field, record)[1]

    async def of_run(self, run_id: str) -> Mapping[ExecutionKey, Sequence[Checkpoint]]:
        content = self._access.content
        run = existing_run(content, run_id)
        kept = content.checkpoints[run.run_id]
        return codec.by_execution(codec.decode_checkpoint(run.run_id, *one) for one in kept.items())
