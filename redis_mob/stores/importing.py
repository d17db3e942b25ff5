"""Stores a run that was exported: one script writes all of it, or nothing."""

from __future__ import annotations

from redis_mob.codec.changes import counted
from redis_mob.codec.executions import milliseconds
from redis_mob.codec.packing import Argument
from redis_mob.codec.run_copies import encode_copy, key_of_copy
from redis_mob.codec.run_heads import place_prefix
from redis_mob.codec.schedule import encode_entry, encode_limits, encode_queue, queue_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.run_copy import RunCopy
from redis_mob.stores.event_arguments import event_arguments, log_keys
from redis_mob.stores.schedule import limits_of


class RunImport:
    """The import of one run."""

    def __init__(self, client: Client, keys: Keys, copy: RunCopy, definition: MobDefinition) -> None:
        self._client = client
        self._all = keys
        self._keys = keys.run(copy.run.run_id)
        self._copy = copy
        self._definition = definition

    async def store(self) -> bool:
        """See `SteeringStore.import_run`."""
        return await self._import_run() == Reply.WON

    async def _import_run(self) -> int:
        run, launch, keys, everything = self._copy.run, self._copy.launch, self._keys, self._all
        stored, is_over = encode_copy(self._copy, self._definition), run.status.is_terminal
        limited, unlimited = ([], []) if is_over else limits_of(run, launch, self._definition)
        meta, *log = log_keys(everything)
        return await self._client.call(
            "steering/import_run",
            [
                *keys.parts,
                keys.index,
                keys.executions,
                keys.published,
                meta,
                everything.runs,
                everything.definitions,
                everything.due,
                everything.ready,
                everything.queued,
                everything.lost,
                everything.limits,
                everything.runs_by_status,
                *log,
                keys.cursors,
                everything.wake_runs,
                everything.gated,
                everything.gate_times,
                *([everything.by_attribute] if self._copy.labels.attributes else []),
            ],
            {
                "run_id": run.run_id,
                "prefix": place_prefix(run.mob_id, run.flow_id),
                "digest": launch.definition,
                "definition": stored.definition,
                "at": b"" if is_over else milliseconds(self._copy.launched_at),
                "limited": limited,
                "unlimited": unlimited,
                "parts": [counted(part) for part in stored.parts],
                "execution_fields": stored.executions,
                "published_fields": stored.published,
                "moves": self._moves(),
                "new_events": list(map(event_arguments, stored.events)),
            },
        )

    def _moves(self) -> list[list[Argument]]:
        """Where the executions that wait come to stand, as lua/lib/schedule reads it."""
        run, launch = self._copy.run, self._copy.launch
        moves: list[list[Argument]] = []
        for copy in self._copy.executions:
            one = copy.execution
            if one.status is ExecutionStatus.WAITING:
                queue = encode_queue(queue_of(run.mob_id, one.role, launch))
                limits = encode_limits(run.mob_id, run.flow_id, one.limits)
                entry = encode_entry(queue, launch.priority, run.run_id, key_of_copy(copy), limits)
                bounds = (one.role in launch.max_concurrency) + 2 * bool(one.limits)
                moves.append([entry, b"", b"w", milliseconds(one.due_at), bounds])
        return moves
