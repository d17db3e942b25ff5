"""Where the content of a mob.db goes: a namespace, or nowhere in a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from redis_mob.codec import transfers
from redis_mob.codec.definitions import spec_of
from redis_mob.codec.documents import encode_name
from redis_mob.codec.events import encode_new_event
from redis_mob.codec.realm_profiles import profile_named
from redis_mob.codec.records import another_value, encode_record, record_place
from redis_mob.codec.runs import encode_run
from redis_mob.codec.runtime_metadata import as_stored, encode_supervisor, place_of_overlay
from redis_mob.errors import CasConflictError, RunAlreadyExistsError, SerializationError, ValidationError, shown
from redis_mob.meerkat import rows, schemas
from redis_mob.meerkat.reading import MobDatabase
from redis_mob.meerkat.report import Failure
from redis_mob.models.base import Model, json_text
from redis_mob.models.events import MobEvent
from redis_mob.models.profile import StoredRealmProfile
from redis_mob.models.run import MobRun
from redis_mob.models.run_summary import RunFilter
from redis_mob.operations.run_list import every_run
from redis_mob.security.identity import check_peer_ids
from redis_mob.storage import MobStorage

IMPORTS = "redis_mob:imports"
"""The collection of records that says which files were imported, by their fingerprint; no table leads to it."""

TABLES = "meerkat:"
"""What the names of collections begin with that hold the rows of tables without a store of their own."""


_MOST_FAILURES = 1000
"""How many of the rows that failed the mark of an import names."""


class Before(NamedTuple):
    """What an import that is over could not read: the first of these rows, and how many others there were."""

    failures: list[Failure]
    left_out: int


class Target(Protocol):
    """Takes what is read. Of what has a name, True says that it is new, and False that the very same was there."""

    async def begin(self, database: MobDatabase) -> Before | None:
        """Mark the import as begun. If this file came in as a whole before, nothing is done but telling of that."""
        ...

    async def end(self, database: MobDatabase, failures: Sequence[Failure]) -> None:
        """Mark it as done, except for these rows."""
        ...

    async def newest_cursor(self) -> int: ...
    async def events(self, events: Sequence[MobEvent], after: int, newest: int) -> None: ...
    async def run(self, run: MobRun) -> bool: ...
    async def supervisor(self, one: rows.OfMob) -> bool: ...
    async def overlay(self, one: rows.OfMob) -> bool: ...
    async def profile(self, profile: StoredRealmProfile) -> bool: ...
    async def spec(self, one: rows.OfMob) -> bool: ...
    async def record(self, one: rows.Record) -> bool: ...
    async def verbatim(self, table: str, key: str, row: dict[str, Any]) -> None: ...


class DryRun(Target):
    """Stores nothing. What a namespace would refuse is refused here too, by the same checks, with the same words."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], bytes] = {}

    async def begin(self, database: MobDatabase) -> Before | None:
        pass

    async def end(self, database: MobDatabase, failures: Sequence[Failure]) -> None:
        pass

    async def newest_cursor(self) -> int:
        return 0

    async def events(self, events: Sequence[MobEvent], after: int, newest: int) -> None:
        for event in transfers.checked_events(events, after, newest)[1]:
            encode_new_event(event)

    async def run(self, run: MobRun) -> bool:
        encode_run(run)
        return self._is_new(("run", run.run_id), _plain(run), _another())

    async def supervisor(self, one: rows.OfMob) -> bool:
        name = encode_name("mob id", one.mob_id)
        encode_supervisor(one.mob_id, "record", one.value)
        check_peer_ids(one.value)
        return self._is_new(("supervisor", name), _plain(one.value), _another())

    async def overlay(self, one: rows.OfMob) -> bool:
        place = place_of_overlay(one.mob_id, one.value)
        return self._is_new(("overlay", place), _plain(as_stored(one.mob_id, one.value)), _another())

    async def profile(self, profile: StoredRealmProfile) -> bool:
        name = transfers.brought_profile(profile).name
        refusal = transfers.another(profile_named(profile.name), is_there=True)
        return self._is_new(("profile", name), _plain(profile), refusal)

    async def spec(self, one: rows.OfMob) -> bool:
        name = transfers.brought_spec(one.mob_id, one.value.definition, one.value.revision).name
        refusal = transfers.another(spec_of(one.mob_id), is_there=True)
        return self._is_new(("spec", name), _plain(one.value), refusal)

    async def record(self, one: rows.Record) -> bool:
        _check_collection(one.collection)
        return self._is_new_record(one.collection, one.key, one.value)

    async def verbatim(self, table: str, key: str, row: dict[str, Any]) -> None:
        self._is_new_record(TABLES + table, key, row)

    def _is_new_record(self, collection: str, key: str, value: Any) -> bool:
        encode_record(collection, key, value)
        return self._is_new(("record", record_place(collection, key)), value, another_value(collection, key))

    def _is_new(self, name: tuple[object, ...], value: Any, refusal: CasConflictError) -> bool:
        """As a store that takes one JSON value of a name. Raises the refusal for another one."""
        digest = blake2b(json_text(value, sort_keys=True).encode(), digest_size=16).digest()
        before = self._known.setdefault(name, digest)
        if before != digest:
            raise refusal
        return before is digest


class Namespace(Target):
    """Stores all of it in a namespace that has nothing else."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = storage

    async def begin(self, database: MobDatabase) -> Before | None:
        """Raises CasConflictError for a namespace that holds anything but a part of this very file."""
        records, named = self._storage.records, shown(self._storage.namespace)
        for fingerprint, marker in await records.list(IMPORTS):
            if fingerprint == database.fingerprint:
                if marker["is_done"]:
                    return _before(marker)
                await self._check_log(database)
                return None
            if not marker["is_done"]:
                raise CasConflictError(
                    f"an import of {shown(marker['file'])} into namespace {named} is not over, and "
                    f"{database.path.name} is another file, or has changed since: use a new namespace"
                )
        if there := await self._what_is_there():
            raise CasConflictError(
                f"namespace {named} is not empty: it has {there}. Cursors and revisions are kept, so that a file needs "
                "a namespace of its own: name a new one"
            )
        marker = {"file": database.path.name, "release": database.schema.release, "is_done": False}
        await records.insert(IMPORTS, database.fingerprint, marker)
        return None

    async def end(self, database: MobDatabase, failures: Sequence[Failure]) -> None:
        records, fingerprint = self._storage.records, database.fingerprint
        going = await records.get(IMPORTS, fingerprint)
        if going is None or going["is_done"]:  # another process has imported the same
            return
        kept = [asdict(one) for one in failures[:_MOST_FAILURES]]
        done = {**going, "is_done": True, "failed": kept, "failed_left_out": len(failures) - len(kept)}
        await records.compare_and_put(IMPORTS, fingerprint, going, done)

    async def newest_cursor(self) -> int:
        return await self._storage.transfers.newest_cursor()

    async def events(self, events: Sequence[MobEvent], after: int, newest: int) -> None:
        if not await self._storage.transfers.append_events(events, after=after, newest=newest):
            raise self._written_by_another(after)

    async def run(self, run: MobRun) -> bool:
        try:
            await self._storage.runs.create_run(run)
        except RunAlreadyExistsError:
            return _same(await self._storage.runs.get_run(run.run_id) == run)
        return True

    async def supervisor(self, one: rows.OfMob) -> bool:
        check_peer_ids(one.value)
        metadata = self._storage.runtime_metadata
        if await metadata.put_supervisor_authority_if_absent(one.mob_id, one.value):
            return True
        return _same(await metadata.load_supervisor_authority(one.mob_id) == one.value)

    async def overlay(self, one: rows.OfMob) -> bool:
        metadata = self._storage.runtime_metadata
        if await metadata.put_external_binding_overlay_if_absent(one.mob_id, one.value):
            return True
        # replaced by itself, which tells whether it is the one that is there
        return _same(await metadata.compare_and_put_external_binding_overlay(one.mob_id, one.value, one.value))

    async def profile(self, profile: StoredRealmProfile) -> bool:
        return await self._storage.transfers.insert_profile(profile)

    async def spec(self, one: rows.OfMob) -> bool:
        return await self._storage.transfers.insert_spec(one.mob_id, one.value.definition, one.value.revision)

    async def record(self, one: rows.Record) -> bool:
        _check_collection(one.collection)
        return await self._storage.records.insert(one.collection, one.key, one.value)

    async def verbatim(self, table: str, key: str, row: dict[str, Any]) -> None:
        await self._storage.records.insert(TABLES + table, key, row)

    async def _what_is_there(self) -> str:
        """Something that the namespace holds, in words; empty if it holds nothing."""
        storage = self._storage
        if await storage.transfers.newest_cursor():
            return "events"
        async for run in every_run(storage, RunFilter(), None):
            return f"run {run.run_id}"
        if specs := await storage.specs.list_specs():
            return f"a spec of mob {shown(specs[0])}"
        if profiles := await storage.realm_profiles.list():
            return f"realm profile {shown(profiles[0].name)}"
        if supervisors := await storage.transfers.supervisors():
            return f"the authority of mob {shown(next(iter(supervisors)))}"
        if await storage.transfers.overlays():
            return "overlays"
        collections = [name for name in await storage.records.collections() if name != IMPORTS]
        return f"records of collection {shown(collections[0])}" if collections else ""

    async def _check_log(self, database: MobDatabase) -> None:
        """Raises CasConflictError if the newest event is none of the file: another program has written the log."""
        newest = await self.newest_cursor()
        stored = await self._storage.events.poll(newest - 1, 1) if newest else []
        if not stored or stored[0].cursor != newest:
            return
        for _, row in database.rows(schemas.EVENTS, after=newest - 1):
            try:
                if rows.event_of(row) == stored[0]:
                    return
            except SerializationError:
                pass
            break
        raise self._written_by_another(newest)

    def _written_by_another(self, cursor: int) -> CasConflictError:
        return CasConflictError(
            f"the log of namespace {shown(self._storage.namespace)} was written by another program at or behind cursor "
            f"{cursor}, and the import is not over: import into a new namespace that no program uses"
        )


def _before(marker: dict[str, Any]) -> Before:
    return Before([Failure(**one) for one in marker["failed"]], marker["failed_left_out"])


def _plain(value: Model) -> Any:
    return value.model_dump(mode="json")


def _check_collection(name: str) -> None:
    if name == IMPORTS:
        raise ValidationError(f"records of collection {shown(IMPORTS)} are those of imports alone")


def _same(is_same: bool) -> bool:
    if not is_same:
        raise _another()
    return False


def _another() -> CasConflictError:
    return CasConflictError("another one is there")
