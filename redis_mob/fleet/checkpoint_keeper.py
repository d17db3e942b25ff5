"""Keeps what a handler calls once in the storage, for the attempt that a worker executes."""

from __future__ import annotations

from redis_mob.contracts import CheckpointStore
from redis_mob.errors import shown
from redis_mob.fleet.lease import LeasedExecution, LeaseLostError
from redis_mob.fleet.once import CheckpointKeeper, KeptCheckpoints, UnkeptError
from redis_mob.fleet.outcome import too_long
from redis_mob.models.checkpoint import Checkpoint


def keeper_for(store: CheckpointStore | None, held: LeasedExecution) -> CheckpointKeeper:
    """What keeps the checkpoints of an execution: the storage, or this process alone where there is no store."""
    return KeptCheckpoints() if store is None else StoredCheckpoints(store, held)


class StoredCheckpoints:
    """The checkpoints of one attempt in the storage; a handler may use it in any event loop."""

    def __init__(self, store: CheckpointStore, held: LeasedExecution) -> None:
        self._store = store
        self._held = held

    async def find(self, name: str, ordinal: int, /) -> Checkpoint | None:
        """What an earlier attempt has kept. The first owner of an execution asks nothing: there was none before it."""
        held = self._held
        if held.lease.fencing_token == 1:
            return None
        return await held.in_loop_of_worker(self._store.find(held.run_id, held.key, name, ordinal))

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        """Keep it. Raises UnkeptError if it is too long, LeaseLostError if this worker does not hold the execution."""
        held = self._held
        if (problem := too_long(checkpoint.value, held.most_bytes, "return")) is not None:
            raise UnkeptError(f"the result of the call {shown(checkpoint.name)} is {problem}")
        keeping = self._store.keep(held.run_id, held.key, held.execution, checkpoint)
        if not await held.in_loop_of_worker(keeping):
            raise LeaseLostError(
                f"{held} is not this worker's any more: the call {shown(checkpoint.name)} was not kept"
            )
