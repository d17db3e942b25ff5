"""Brings a namespace into the form of this release, in steps of which each is whole (decision 0069).

A migration that was killed goes on where it was; of two at one time the later goes on, and the earlier is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis_mob.codec.run_heads import run_id_of_place
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.connection.calls.unopened_namespace import connected
from redis_mob.errors import CasConflictError, SerializationError, ValidationError, shown
from redis_mob.migration.namespace_format import (
    AT_ONCE,
    NamespaceFormat,
    Standing,
    pages_of_runs,
    read_format,
)
from redis_mob.security.sealing import SealKeyring
from redis_mob.stores.operations import RedisOperationsStore
from redis_mob.stores.seal_keys import open_with_seal_keys
from redis_mob.version import NAMESPACE_SCHEMA

PAGE = AT_ONCE
"""How many runs lie between two places that are kept."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """In which form a namespace was and is, and the runs that were counted."""

    before: NamespaceFormat
    after: NamespaceFormat
    runs: int


async def check_migration(url: str | None, namespace: str) -> NamespaceFormat:
    """In which form a namespace is, and what a migration would do. Changes nothing, and opens nothing
    (contract: operations-272).

    Raises ValidationError for a bad URL or name, StorageUnavailableError if the server cannot be reached, NotFoundError
    if there is no such namespace, ReadFailedError, and SerializationError for a damaged one.
    """
    async with connected(url, namespace) as (client, keys):
        return await read_format(client, keys)


async def migrate(
    url: str | None,
    namespace: str,
    seal_keys: SealKeyring | None = None,
    *,
    progress: Callable[[int], None] = lambda _runs: None,
) -> Migrated:
    """Bring a namespace into the form of this release; `progress` is told how many runs are done.

    It may be ended at any moment, by SIGKILL too: the next call goes on where it was. Without `seal_keys` no seal key
    is given a check value. A namespace that needs nothing, or for which that is impossible, is left as it is, and
    what is returned says so (contract: operations-271).
    Raises as `check_migration`; CasConflictError if another migration has gone on in the place of this one,
    SerializationError if records are lost, which counting would hide, SealKeyMissingError and SealKeyMismatchError,
    WriteFailedError, and OutcomeUnknownError if a reply was lost: then call it again.
    """
    async with connected(url, namespace) as (client, keys):
        before = await read_format(client, keys)
        if before.standing is not Standing.NEEDED:
            return Migrated(before, before, 0)
        await client.open_namespace(namespace)
        if seal_keys is not None:
            await open_with_seal_keys(client, keys, seal_keys)
        runs = await Migration(client, keys, progress).run()
        return Migrated(before, await read_format(client, keys), runs)


class Migration:
    """The steps of one migrator; `run` does them in their order."""

    def __init__(self, client: Client, keys: Keys, progress: Callable[[int], None]) -> None:
        self._client, self._keys = client, keys
        self._progress = progress
        self._id = uuid4().hex
        self._store = RedisOperationsStore(client, keys)

    async def run(self) -> int:
        """Do all that is left to do; returns how many runs were in an older form."""
        done, place = await self.begin()
        await self.count_namespace()
        changed = 0
        async for places, old in pages_of_runs(self._client, self._keys, place, PAGE):
            changed += sum(old)
            await self._count_runs([place for place, is_old in zip(places, old, strict=True) if is_old])
            done += len(places)
            await self.keep_place(done, places[-1])
            self._progress(done)
        await self.finish()
        return changed

    async def begin(self) -> tuple[int, bytes]:
        """Be the only migrator, unless a worker is alive that could not go on; returns where to go on.

        Workers that have come since they were looked at are looked at again. Raises ValidationError.
        """
        keys = [self._keys.meta, self._keys.workers]
        while True:
            found = await read_format(self._client, self._keys)
            if found.obstacles:
                raise ValidationError(f"namespace {shown(found.namespace)} cannot be migrated: {found.obstacles[0]}")
            judged = [worker.entry for worker in found.workers]
            arguments = {"id": self._id, "schema": NAMESPACE_SCHEMA, "judged": judged}
            reply = await self._client.call("migration/begin", keys, arguments)
            if reply != Reply.LOST:
                done, place = reply
                return int(done), bytes(place)

    async def count_namespace(self) -> None:
        """Count what the namespace holds beside its runs. Raises SerializationError if something of it is lost."""
        losses = self._won(await self._client.call("migration/count_namespace", self._keys.fixed, [self._id]))
        if losses:
            await self.finish()
            [key, what], *more = losses
            others = f", and {len(more)} losses more" if more else ""
            raise SerializationError(
                f"namespace {shown(self._keys.namespace)} has lost records, which counting it would hide: "
                f"{key.decode()}: {what.decode(errors='replace')}{others}; bring them back, or run "
                "`redis-mob accept-loss`"
            )

    async def _count_runs(self, places: Sequence[bytes]) -> None:
        await self._store.index(places)
        ends = await asyncio.gather(*map(self.count_run, places), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def count_run(self, place: bytes) -> None:
        """Count the records of one run."""
        run_id = run_id_of_place(place)[1]
        keys = self._keys.run(run_id)
        of_namespace = [self._keys.due, self._keys.ready, self._keys.queued, self._keys.lost]
        others = [self._keys.events_index, self._keys.runs_by_status, self._keys.gated]
        self._won(
            await self._client.call(
                "migration/count_run",
                [
                    *(*keys.parts, keys.index, keys.executions, keys.published),
                    *(self._keys.meta, self._keys.runs, *of_namespace, *others),
                ],
                {"run_id": run_id, "id": self._id},
            )
        )

    async def keep_place(self, done: int, place: bytes) -> None:
        """Let another migrator go on behind this place."""
        arguments = {"id": self._id, "done": done, "place": place}
        self._won(await self._client.call("migration/keep_place", [self._keys.meta], arguments))

    async def finish(self) -> None:
        """All is done."""
        self._won(await self._client.call("migration/finish", [self._keys.meta], [self._id]))

    def _won(self, reply: Any) -> Any:
        if reply == Reply.LOST:
            raise CasConflictError(
                f"another migration of namespace {shown(self._keys.namespace)} has begun, and goes on where this "
                "one was"
            )
        return reply
