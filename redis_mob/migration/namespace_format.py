"""In which form a namespace is, and what keeps a migration from beginning (decision 0069)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from redis_mob.codec.documents import decode_members
from redis_mob.codec.executions import moment_of_milliseconds
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.run_heads import run_id_of_place
from redis_mob.codec.schedule import decode_worker
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.namespace_state import state_in
from redis_mob.errors import NotFoundError, SerializationError, shown
from redis_mob.models.worker import WorkerRecord
from redis_mob.stores.operations import RedisOperationsStore
from redis_mob.version import NAMESPACE_SCHEMA, __version__

AT_ONCE = 100
"""How many runs one script looks at."""

_STATES = {
    "restoring": "it is being restored or moved here: wait for the end of that",
    "moved": "it was moved away: migrate it where it is now",
}


class Standing(StrEnum):
    """What is to be done with a namespace."""

    CURRENT = "current"
    NEEDED = "needed"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class LiveMember:
    """A worker that is alive, and how the schedule lists it."""

    record: WorkerRecord
    entry: bytes

    @property
    def is_of_another_release(self) -> bool:
        """Whether it runs another version of the library, or does not say which."""
        return self.record.version != __version__

    @property
    def can_go_on(self) -> bool:
        """Whether it reads the layout that a migration of this release raises a namespace to."""
        return self.record.reads_schema >= NAMESPACE_SCHEMA


class UnderWay(NamedTuple):
    """A migration that has begun and not ended: after how many runs it is, and behind which place it goes on."""

    done: int
    place: bytes


@dataclass(frozen=True, slots=True)
class NamespaceFormat:
    """In which form a namespace is: its layout, what older releases have left of it, and its living workers.

    `old_runs` are those whose records are not counted, or that have no sequence of their creation, so that the indexes
    do not know them. `unchecked_seal_keys` are in use, and no value tells whether a process has them or others of their
    names.
    """

    namespace: str
    schema: int
    is_counted: bool
    has_token_key: bool
    old_runs: int
    unchecked_seal_keys: tuple[str, ...]
    under_way: UnderWay | None
    workers: tuple[LiveMember, ...]
    state: str

    @property
    def changes(self) -> tuple[str, ...]:
        """What a migration would do, in its order."""
        found: list[str] = []
        if self.schema < NAMESPACE_SCHEMA:
            found.append(f"raise the schema version from {self.schema} to {NAMESPACE_SCHEMA}")
        if not self.has_token_key:
            found.append("give it a key, by which clients know the tokens of their own writes")
        if self.unchecked_seal_keys:
            names = ", ".join(map(shown, self.unchecked_seal_keys))
            found.append(f"keep values by which seal keys are recognized: {names} (with --seal-keys)")
        if not self.is_counted:
            found.append("count the records of the namespace, so that a loss is noticed")
        if self.old_runs:
            runs = "1 run" if self.old_runs == 1 else f"{self.old_runs:,} runs"
            found.append(f"count the records of {runs}, and index them")
        if self.under_way is not None and not found:
            found.append("end a migration that has done all it had to do")
        return tuple(found)

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why a migration cannot begin; none if it can, or is not needed."""
        if self.schema > NAMESPACE_SCHEMA:
            return (
                f"it has schema version {self.schema}, written by a newer redis_mob; this one reads up to "
                f"{NAMESPACE_SCHEMA}: upgrade it",
            )
        if self.state in _STATES:
            return (_STATES[self.state],)
        if not self.changes:
            return ()
        return tuple(
            f"worker {one.record.id} on {one.record.host} runs {version_of(one)}, which does not read schema version "
            f"{NAMESPACE_SCHEMA}: stop it"
            for one in self.workers
            if not one.can_go_on
        )

    @property
    def standing(self) -> Standing:
        """Whether nothing is to be done, a migration is needed, or it cannot begin."""
        if self.obstacles:
            return Standing.IMPOSSIBLE
        return Standing.NEEDED if self.changes else Standing.CURRENT


def version_of(worker: LiveMember) -> str:
    """The release that a worker runs, in words."""
    return (
        "a release that does not say which" if worker.record.version is None else f"redis_mob {worker.record.version}"
    )


async def read_format(client: Client, keys: Keys) -> NamespaceFormat:
    """In which form a namespace is; each of its runs is looked at, and nothing is changed.

    Raises NotFoundError if there is no such namespace, ReadFailedError, and SerializationError for a damaged one.
    """
    fixed = [keys.meta, keys.workers, keys.seal_keys, keys.seal_key_checks]
    found = await client.read("migration/read_format", fixed)
    if found is None:
        raise NotFoundError(f"there is no namespace {shown(keys.namespace)} on this server")
    flat, now, workers, unchecked = found
    meta = as_mapping(flat)
    return NamespaceFormat(
        namespace=keys.namespace,
        schema=_schema_in(keys, meta),
        is_counted=b"counted" in meta,
        has_token_key=b"token_key" in meta,
        old_runs=await _old_runs(client, keys),
        unchecked_seal_keys=tuple(sorted(decode_members(keys.seal_keys, unchecked))),
        under_way=_under_way_in(keys, meta.get(b"migration")),
        workers=_alive(now, workers),
        state=state_in(meta.get(b"epoch")).stands,
    )


def _schema_in(keys: Keys, meta: Mapping[bytes, bytes]) -> int:
    text = meta.get(b"schema", b"")
    if not text.isdigit():
        raise SerializationError(
            f"{keys.meta} is damaged: its schema version is {shown(text)}; `redis-mob doctor` tells what to do"
        )
    return int(text)


def _under_way_in(keys: Keys, text: bytes | None) -> UnderWay | None:
    if text is None:
        return None
    _, _, rest = text.partition(b" ")
    done, _, place = rest.partition(b" ")
    if not done.isdigit():
        raise SerializationError(f"{keys.meta} is damaged: its migration is {shown(text)}")
    return UnderWay(int(done), place)


def _alive(now: int, flat: Sequence[bytes]) -> tuple[LiveMember, ...]:
    leases = zip(flat[::2], flat[1::2], strict=True)
    alive = [
        bytes(entry) for entry, until in leases if moment_of_milliseconds(float(until)) > moment_of_milliseconds(now)
    ]
    return tuple(LiveMember(decode_worker(entry), entry) for entry in alive)


async def _old_runs(client: Client, keys: Keys) -> int:
    return sum([sum(old) async for _, old in pages_of_runs(client, keys)])


async def pages_of_runs(
    client: Client, keys: Keys, after: bytes = b"", most: int = AT_ONCE
) -> AsyncGenerator[tuple[Sequence[bytes], Sequence[int]]]:
    """The places of all runs behind one, `most` at a time, and of each of them what `find_old_runs` says."""
    store = RedisOperationsStore(client, keys)
    while places := await store.places_of_runs(after):
        for first in range(0, len(places), most):
            page = places[first : first + most]
            yield page, await find_old_runs(client, keys, page)
        after = places[-1]


async def find_old_runs(client: Client, keys: Keys, places: Sequence[bytes]) -> Sequence[int]:
    """Of each of these runs, 1 if an older release has left it in its own form, else 0."""
    hashes = [keys.run(run_id_of_place(place)[1]).run for place in places]
    return await client.read("migration/find_old_runs", hashes)
