"""Attributes and summaries of runs, in memory."""

from __future__ import annotations

from redis_mob.codec import labels
from redis_mob.codec.executions import encode_execution
from redis_mob.errors import CasConflictError
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.labels import NO_LABELS, LabelChange
from redis_mob.notifications.run_messages import run_message


class MemoryLabels:
    """The part of the contract's `ExecutionStore` that is about attributes and summaries."""

    _access: Access

    async def set_labels(
        self, run_id: str, change: LabelChange, *, key: ExecutionKey | None = None, execution: Execution | None = None
    ) -> bool:
        """See `ExecutionStore.set_labels`."""
        content, run_id = self._access.content, run_key(run_id)
        checked, claimed = labels.checked_change(change), labels.checked_claim(key, execution)
        run = existing_run(content, run_id)
        if claimed is not None:
            stored = content.executions.get(run.run_id, {}).get(claimed[0])
            if stored is None or encode_execution(stored) != claimed[1]:
                return False
        after = labels.applied(content.labels.get(run.run_id, NO_LABELS), checked)
        if after is None:
            raise CasConflictError(f"run {run_id}: {labels.too_many('would have more then')}")
        content.labels[run.run_id] = after
        content.run_wake_ups.send(run_message(run.run_id, is_due=False))
        return True
