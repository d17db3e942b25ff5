"""Starts runs, those of steps among them, and tells parents of the end of their children, on Redis."""

from __future__ import annotations

from datetime import datetime

from redis_mob.codec import executions as codec
from redis_mob.codec.arguments import moment
from redis_mob.codec.changes import counted
from redis_mob.codec.children import encode_parent, told_field
from redis_mob.codec.definitions import encode_definition
from redis_mob.codec.labels import fields_of
from redis_mob.codec.run_heads import place_prefix
from redis_mob.codec.runs import encode_run
from redis_mob.codec.signals import encode_signal
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.models.base import canonical_run_id
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Signal
from redis_mob.models.subflow import ParentRun
from redis_mob.stores.schedule import limits_of


def start_arguments(
    keys: Keys,
    run: MobRun,
    launch: RunLaunch,
    definition: MobDefinition,
    at: datetime | None,
    labels: Labels = NO_LABELS,
) -> tuple[list[str], NamedArguments]:
    """The keys and arguments with which a run is started."""
    (head, *others), encoded_launch = encode_run(run), codec.encode_launch(launch)
    parts = [[*head, *fields_of(labels)], *others]
    digest, encoded = encode_definition(definition, forked=launch.forked_from is not None)
    of_run = keys.run(run.run_id)
    begins = b"" if at is None else codec.milliseconds(moment("at", at))
    limited, unlimited = limits_of(run, launch, definition)
    return [
        *of_run.parts,
        of_run.index,
        keys.meta,
        keys.runs,
        keys.definitions,
        keys.due,
        keys.limits,
        keys.runs_by_status,
        keys.wake_runs,
        of_run.tombstone,
        *([keys.by_attribute] if labels.attributes else []),
    ], {
        "launch": encoded_launch,
        "digest": digest,
        "definition": encoded,
        "at": begins,
        "run_id": run.run_id,
        "prefix": place_prefix(run.mob_id, run.flow_id),
        "limited": limited,
        "unlimited": unlimited,
        "parts": [counted(part) for part in parts],
    }


class RedisChildren:
    """The part of the contract's `ExecutionStore` that is about runs of steps."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def start_child(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        parent: ParentRun,
        execution: Execution,
        at: datetime | None = None,
    ) -> bool:
        """See `ExecutionStore.start_child`."""
        record, expected = encode_parent(parent), codec.encode_execution(execution)
        keys, arguments = start_arguments(self._keys, run, launch, definition, at)
        of_parent = self._keys.run(parent.run_id)
        reply = await self._client.call(
            "executions/start_child",
            [*keys, of_parent.run, of_parent.index, of_parent.executions],
            {
                **arguments,
                "record": record,
                "told": told_field(run.run_id),
                "field": codec.execution_field(parent.key),
                "expected": expected,
            },
        )
        return reply == Reply.WON

    async def tell_parent(self, run_id: str, parent: ParentRun, signal: Signal) -> bool:
        """See `ExecutionStore.tell_parent`."""
        keys = self._keys.run(run_id)
        encode_parent(parent)
        record = encode_signal(signal, owner=parent.run_id)
        of_parent, child = self._keys.run(parent.run_id), canonical_run_id(run_id)
        reply = await self._client.call(
            "executions/tell_parent",
            [
                keys.run,
                keys.index,
                of_parent.run,
                of_parent.index,
                of_parent.executions,
                self._keys.meta,
                self._keys.due,
                self._keys.wake_runs,
            ],
            [codec.due_run(child), codec.due_run(parent.run_id), told_field(child), record],
        )
        return reply == Reply.WON
