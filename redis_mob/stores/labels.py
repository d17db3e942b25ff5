"""Attributes and summaries of runs, on Redis."""

from __future__ import annotations

from redis_mob.codec import executions as codec
from redis_mob.codec import labels
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import won
from redis_mob.models.base import canonical_run_id
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.labels import MOST_ATTRIBUTES, LabelChange
from redis_mob.stores.operations import RedisOperationsStore

_UNNUMBERED = -5
"""What lua/executions/set_labels says of a run that has no number of creation."""


class RedisLabels:
    """The part of the contract's `ExecutionStore` that is about attributes and summaries."""

    _client: Client
    _keys: Keys

    async def set_labels(
        self, run_id: str, change: LabelChange, *, key: ExecutionKey | None = None, execution: Execution | None = None
    ) -> bool:
        """See `ExecutionStore.set_labels`."""
        keys, checked = self._keys.run(run_id), labels.checked_change(change)
        claimed = labels.checked_claim(key, execution)
        arguments = {
            "member": codec.due_run(canonical_run_id(run_id)),
            "field": b"" if claimed is None else codec.execution_field(claimed[0]),
            "expected": b"" if claimed is None else claimed[1],
            "removed": [labels.name_digest(name) for name, value in checked.attributes.items() if value is None],
            "changed": [
                labels.encode_attribute(name, value) for name, value in checked.attributes.items() if value is not None
            ],
            "sets_summary": int(checked.sets_summary),
            "summary": [] if checked.summary is None else [labels.encode_summary(checked.summary)],
            "most": MOST_ATTRIBUTES,
        }
        keys_of_call = [
            *(keys.run, keys.index, keys.executions),
            *(self._keys.meta, self._keys.by_attribute, self._keys.wake_runs),
        ]
        while (reply := await self._client.call("executions/set_labels", keys_of_call, arguments)) == _UNNUMBERED:
            await RedisOperationsStore(self._client, self._keys).index_runs()
        return won(reply, run_id, self._keys.namespace, labels.too_many("would have more then"))
