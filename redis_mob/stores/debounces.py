"""Starts under a debounce key, on Redis."""

from __future__ import annotations

from redis_mob.codec.debounces import checked_debounce, debounce_digest, named, require_not_begun, whole_milliseconds
from redis_mob.codec.labels import stored_labels
from redis_mob.codec.runs import encode_run
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.host_environment import environment
from redis_mob.models.debounce import Debounce
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.stores.children import start_arguments


class RedisDebounces:
    """The part of the contract's `ExecutionStore` that is about debounce keys."""

    _client: Client
    _keys: Keys

    async def start_debounced(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        debounce: Debounce,
        labels: Labels = NO_LABELS,
    ) -> str:
        """See `ExecutionStore.start_debounced`."""
        key, after, most = checked_debounce(debounce)
        require_not_begun(run, encode_run(run))
        stored, by_attribute, given = stored_labels(labels), self._keys.by_attribute, run.run_id
        while True:
            keys, arguments = start_arguments(self._keys, run, launch, definition, None, stored)
            del arguments["at"]
            reply = await self._client.call(
                "executions/start_debounced",
                [*(name for name in keys if name != by_attribute), self._keys.debounces, by_attribute],
                {
                    **arguments,
                    "debounce_digest": debounce_digest(run, key),
                    "debounce": whole_milliseconds(after),
                    "most": b"" if most is None else whole_milliseconds(most),
                },
            )
            if reply == Reply.WON:
                return run.run_id
            # A script takes the keys of one run, and which one that is only the server knows. A new run has the id that
            # it was given, unless that is taken.
            run = named(run, bytes(reply).decode() or (given if run.run_id != given else str(environment().new_id())))
