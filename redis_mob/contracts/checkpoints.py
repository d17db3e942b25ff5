"""What the store promises about checkpoints: the results of calls within handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from redis_mob.models.checkpoint import Checkpoint
from redis_mob.models.execution import Execution, ExecutionKey


@runtime_checkable
class CheckpointStore(Protocol):
    """The results of calls within handlers, by execution, name and ordinal (contract: checkpoint-1).

    They belong to their run: they stay when an execution is over, and go when the run is deleted. All methods raise as
    those of `MobRunStore` do.
    """

    async def keep(self, run_id: str, key: ExecutionKey, execution: Execution, checkpoint: Checkpoint) -> bool:
        """Keep a checkpoint of an execution, in the place of an earlier one of its name and ordinal.

        False, with nothing written, unless the stored execution equals this one: it was taken over, or is over
        (contract: checkpoint-2). Raises NotFoundError for an unknown run, CasConflictError for a run that has 1,000,000
        records in its index and not this one, InternalError for a value that cannot be stored.
        """
        ...

    async def find(self, run_id: str, key: ExecutionKey, name: str, ordinal: int) -> Checkpoint | None:
        """The checkpoint of an execution with this name and ordinal, None if there is none. Raises NotFoundError."""
        ...

    async def of_run(self, run_id: str) -> Mapping[ExecutionKey, Sequence[Checkpoint]]:
        """All checkpoints of a run, those of an execution by name and ordinal. Raises NotFoundError.

        It is read in parts: what is kept meanwhile may be missing.
        """
        ...
