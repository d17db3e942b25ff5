"""Signals to runs, and what their handlers publish, on Redis."""

from __future__ import annotations

from typing import Any

from redis_mob.codec import executions as codec
from redis_mob.codec import signals
from redis_mob.codec.arguments import optional_text, text
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply, won
from redis_mob.errors import MobStoreError, NotFoundError, ValidationError
from redis_mob.models.base import canonical_run_id
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.signal import MOST_PUBLISHED, MOST_QUEUED, Published, Sent, Signal


class RedisSignals:
    """The part of the contract's `ExecutionStore` that is about signals and published values."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def send_signal(self, run_id: str, signal: Signal, *, idempotency_key: str | None = None) -> Sent:
        """See `ExecutionStore.send_signal`."""
        keys, record = self._keys.run(run_id), signals.encode_signal(signal)
        key = optional_text("idempotency_key", idempotency_key)
        code, *rest = await self._client.call(
            "executions/send_signal",
            [keys.run, keys.index, keys.executions, self._keys.meta, self._keys.due, self._keys.wake_runs],
            [
                codec.due_run(canonical_run_id(run_id)),
                b"" if key is None else signals.receipt_field(key),
                signals.identity_of(signal),
                record,
                MOST_QUEUED,
            ],
        )
        if code in (Reply.WON, Reply.EXISTS):
            return Sent(int(rest[0]), is_repeated=code == Reply.EXISTS)
        raise _refused(code, run_id, self._keys.namespace, signal, key)

    async def publish(self, run_id: str, key: ExecutionKey, execution: Execution, name: str, value: Any) -> bool:
        """See `ExecutionStore.publish`."""
        keys, field = self._keys.run(run_id), text("name", name)
        reply = await self._client.call(
            "executions/publish",
            [keys.run, keys.index, keys.executions, keys.published, self._keys.wake_runs],
            [
                codec.due_run(canonical_run_id(run_id)),
                codec.execution_field(key),
                codec.encode_execution(execution),
                field,
                signals.encode_published(field, value),
                MOST_PUBLISHED,
            ],
        )
        return won(reply, run_id, self._keys.namespace, signals.too_many_published(field))

    async def published(self, run_id: str, name: str) -> Published | None:
        """See `ExecutionStore.published`."""
        keys, field = self._keys.run(run_id), text("name", name)
        reply = await self._client.read("executions/published", [keys.run, keys.index, keys.published], [field])
        if reply is None:
            return None
        run_id = canonical_run_id(run_id)
        status, *values = map(bytes, reply)
        is_over = codec.decode_status(run_id, status).is_terminal
        return Published(is_over, bool(values), *(signals.decode_published(run_id, field, value) for value in values))


def _refused(
    code: int, run_id: str, namespace: str, signal: Signal, key: str | None
) -> MobStoreError | ValidationError:
    """The error of a signal that was not sent, by the reply that says why."""
    match code:
        case Reply.NOT_FOUND:
            return NotFoundError.of_run(run_id, namespace)
        case Reply.CONFLICT:
            return signals.another_was_sent(run_id, key)
        case Reply.LOST:
            return signals.run_is_over(run_id, signal)
        case _:
            return signals.too_many_wait(run_id, signal)
