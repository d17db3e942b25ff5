"""The items of steps in memory: how far nodes are, their items, and executions that are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis_mob.codec.items import decode_items, encode_items, items_field, not_ended
from redis_mob.errors import NotFoundError
from redis_mob.memory.namespace import Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.memory.run_lookup import existing_run
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.transition import NodeKey, Transition


def put(content: Namespace, run_id: str, transition: Transition, executions: Mapping[ExecutionKey, Execution]) -> None:
    """Keep the executions of a transition; those of items that are over are put aside."""
    stored, ended = content.executions.setdefault(run_id, {}), content.ended.setdefault(run_id, {})
    for key, execution in executions.items():
        if execution.leaves:
            stored.pop(key, None)
            ended[key] = execution
        else:
            stored[key] = execution
    progress = {node: copied(one) for node, one in transition.progress.items()}
    content.item_progress.setdefault(run_id, {}).update(progress)
    content.items.setdefault(run_id, {}).update(
        {node: encode_items(values) for node, values in transition.items.items()}
    )


def items(content: Namespace, run_id: str, node: NodeKey) -> list[Any]:
    """The items of a node."""
    items_field(node)
    run = existing_run(content, run_id)
    return decode_items(run.run_id, node, content.items.get(run.run_id, {}).get(node))


def ended(content: Namespace, run_id: str, keys: Sequence[ExecutionKey]) -> list[Execution]:
    """Executions of items that are over, in the order of the keys."""
    run = existing_run(content, run_id)
    known = content.ended.get(run.run_id, {})
    for key in keys:
        if key not in known:
            raise NotFoundError(not_ended(run.run_id, key))
    return [copied(known[key]) for key in keys]
