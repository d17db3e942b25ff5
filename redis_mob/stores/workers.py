"""Workers and their leases, on a server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from redis_mob.codec import executions as codec
from redis_mob.codec.arguments import (
    duration,
    flag,
    function,
)
from redis_mob.codec.schedule import decode_entry, decode_worker, encode_worker
from redis_mob.codec.schedule import worker_id as checked_worker_id
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.worker import RENEWALS_PER_LEASE, LiveWorker, WorkerRecord
from redis_mob.stores import lease_renewal
from redis_mob.stores.lease_renewal import WorkerLease
from redis_mob.stores.worker_lease import kept_alive


class RedisWorkers:
    """The part of the contract's `ExecutionStore` that is about workers."""

    _client: Client
    _keys: Keys

    async def join_workers(self, worker: WorkerRecord, lease: timedelta) -> None:
        """See `ExecutionStore.join_workers`."""
        arguments = [encode_worker(worker), _whole_milliseconds(lease)]
        keys = [self._keys.meta, self._keys.workers, self._keys.wake_runs]
        await self._client.call("executions/join_workers", keys, arguments)

    async def renew_worker(self, worker: WorkerRecord, lease: timedelta) -> bool:
        """See `ExecutionStore.renew_worker`."""
        return await lease_renewal.renew_worker(
            self._client, self._keys, encode_worker(worker), _whole_milliseconds(lease)
        )

    def keep_alive(
        self, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]
    ) -> AbstractAsyncContextManager[None]:
        """See `ExecutionStore.keep_alive`."""
        seconds = duration("lease", lease).total_seconds()
        url, namespace = self._client.url, self._keys.namespace
        kept = WorkerLease(
            url, namespace, encode_worker(worker), _whole_milliseconds(lease), seconds / RENEWALS_PER_LEASE
        )
        return kept_alive(kept, function("on_loss", on_loss))

    async def leave_workers(self, worker_id: str, *, is_orderly: bool = True) -> bool:
        """See `ExecutionStore.leave_workers`."""
        keys = self._keys
        reply = await self._client.call(
            "executions/leave_workers",
            [keys.meta, keys.workers, keys.ready, keys.queued, keys.lost, keys.gated, keys.wake_runs],
            [checked_worker_id(worker_id), int(flag("is_orderly", is_orderly))],
        )
        return reply == Reply.WON

    async def workers(self) -> tuple[LiveWorker, ...]:
        """See `ExecutionStore.workers`."""
        now, flat = await self._client.read("executions/workers", [self._keys.meta, self._keys.workers], [])
        live = [
            LiveWorker(decode_worker(bytes(worker)), codec.moment_of_milliseconds(float(at)))
            for worker, at in zip(flat[::2], flat[1::2], strict=True)
        ]
        return tuple(one for one in live if one.expires_at > codec.moment_of_milliseconds(now))

    async def held(self, worker_id: str) -> frozenset[tuple[str, ExecutionKey]]:
        """See `ExecutionStore.held`."""
        entries = await self._client.read(
            "executions/held", [self._keys.meta, self._keys.queued], [checked_worker_id(worker_id)]
        )
        return frozenset(decode_entry(bytes(entry)) for entry in entries)


def _whole_milliseconds(lease: timedelta) -> int:
    return duration("lease", lease) // timedelta(milliseconds=1)
