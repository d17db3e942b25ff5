"""Reads what is not read with a run: the items of steps, and the executions of those that are over."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.codec import items as codec
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import NotFoundError
from redis_mob.models.base import canonical_run_id
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.transition import NodeKey

AT_ONCE = 500
"""How many records one call reads: the server does nothing else meanwhile."""


async def items(client: Client, keys: Keys, run_id: str, node: NodeKey) -> list[object]:
    """The items of a node."""
    [data] = await _read_items(client, keys, run_id, [codec.items_field(node)])
    return codec.decode_items(canonical_run_id(run_id), node, data)


async def ended(client: Client, keys: Keys, run_id: str, executions: Sequence[ExecutionKey]) -> list[Execution]:
    """The executions of items that are over, in the order of the keys."""
    found: list[Execution] = []
    for first in range(0, len(executions), AT_ONCE):
        some = executions[first : first + AT_ONCE]
        records = await _read_items(client, keys, run_id, list(map(codec.ended_field, some)))
        for key, record in zip(some, records, strict=True):
            found.append(codec.decode_ended(canonical_run_id(run_id), key, record))
    return found


async def _read_items(client: Client, keys: Keys, run_id: str, fields: list[bytes]) -> list[bytes | None]:
    run = keys.run(run_id)
    records = await client.read("executions/read_items", [run.run, run.index], {"wanted": fields})
    if records is None:
        raise NotFoundError.of_run(canonical_run_id(run_id), keys.namespace)
    return [None if record is None else bytes(record) for record in records]
