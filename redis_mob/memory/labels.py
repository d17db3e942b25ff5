"""Attributes and summaries of runs, in memory."""

from __future__ import annotations

from redis_mob.codec import labels
from redis_mob.codec.executions import checked_key, encode_execution
from redis_mob.errors import CasConflictError
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import existing_run
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.labels import NO_LABELS, LabelChange
from redis_mob.notifications.run_messages import run_message


class MemoryLabels:
    """The part of the contract's `ExecutionStore` that is about attributes and summaries."""

    _access: Access

    async def set_labels(
        self, run_id: str, change: LabelChange, *, by: tuple[ExecutionKey, Execution] | None = None
    ) -> bool:
        """See `ExecutionStore.set_labels`."""
        content, checked = self._access.content, labels.checked_change(change)
        expected = None if by is None else encode_execution(by[1])
        run = existing_run(content, run_id)
        if by is not None:
            stored = content.executions.get(run.run_id, {}).get(checked_key(by[0]))
            if stored is None or encode_execution(stored) != expected:
                return False
        after = labels.applied(content.labels.get(run.run_id, NO_LABELS), checked)
        if after is None:
            raise CasConflictError(f"run {run_id}: {labels.too_many('would have more then')}")
        content.labels[run.run_id] = after
        content.run_wake_ups.send(run_message(run.run_id, is_due=False))
        return True
