"""What `redis-mob backup`, `backup verify` and `restore` do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from redis_mob.backup.file_format import FORMAT, BackupFile, Header, Trailer, chain_of, new_backup
from redis_mob.backup.live import Cut, LiveNamespace
from redis_mob.backup.requests import existing_namespace, state_of
from redis_mob.backup.restoring import RestoringNamespace, check_name, size_of
from redis_mob.connection.calls.namespace_state import NamespaceState
from redis_mob.connection.calls.unopened_namespace import connected
from redis_mob.errors import MobStoreError, ValidationError, shortened, shown
from redis_mob.security.sealing import SealKeyring
from redis_mob.version import __version__


async def back_up(
    url: str,
    namespace: str,
    path: Path,
    *,
    encrypt_with: SealKeyring | None = None,
    seal_keys: SealKeyring | None = None,
    since: Path | None = None,
    follow: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> BackupFile:
    """Write all of a namespace, or what changed since another backup, to a new file; returns it, checked.

    It is the namespace as it was at one moment, the cut, while others go on writing (contract: backup-1). With
    `encrypt_with` the file is encrypted with its newest key; `seal_keys` open the file of `since`. With `follow` the
    server notes what changes from the cut on, for the next backup; `note` is told if this ends notes that another
    backup began. Nothing is left of a file that could not be written.
    Raises ValidationError for a `since` of another namespace, or that was made without `follow`.
    """
    base = None if since is None else BackupFile(since, seal_keys)
    if base is not None and base.header.namespace != namespace:
        of = f"is a backup of namespace {shown(base.header.namespace)}, not of {shown(namespace)}"
        raise ValidationError(f"{shortened(since)} {of}")
    if base is not None and not base.trailer.follows:
        made = "was made without --follow, so that nothing noted what changed since"
        raise ValidationError(f"{shortened(since)} {made}: make a full backup")
    async with existing_namespace(url, namespace) as (client, keys):
        if ended := _ended_notes(await state_of(client, keys), of_changes=base is not None, follow=follow):
            note(ended)
        id = uuid4().hex
        after = f"changes {id} 0 {keys.changes}" if follow else ""
        reading = LiveNamespace(client, keys, id, after_cut=after, base=base.header.id if base else "")
        header = Header(
            format=FORMAT,
            id=id,
            namespace=namespace,
            version=__version__,
            base=base.digest if base else None,
        )
        try:
            with new_backup(path, header, encrypt_with.keys[0] if encrypt_with else None) as writer:
                await reading.begin()
                async for record in reading.records():
                    writer.add(record, size_of(record))
                writer.finish(_trailer(reading.cut, writer.count, follows=follow))
        except BaseException:
            with suppress(MobStoreError):  # it is forgotten in a minute anyway
                await reading.let_go()
            raise
    return BackupFile(path, encrypt_with)


def _ended_notes(state: NamespaceState, *, of_changes: bool, follow: bool) -> str:
    """What is to be said of the notes that a backup ends, by the state of the namespace before it; often nothing."""
    if state.stands != "changes" or (of_changes and follow):
        return ""
    ends = f"this ends the changes that were noted since the backup with the id {state.id}"
    return f"{ends}: the next --since is this one" if follow else f"{ends}: the next backup is a full one"


def _trailer(cut: Cut, records: int, *, follows: bool) -> Trailer:
    meta = cut.meta
    return Trailer(
        cursor=cut.cursor,
        epoch=meta.get(b"epoch", b"0").decode(errors="replace"),
        time=cut.time,
        records=records,
        meta=[part.hex() for field in meta.items() for part in field],
        follows=follows,
    )


def verify(files: Sequence[Path], seal_keys: SealKeyring | None = None) -> list[BackupFile]:
    """Check every byte of a backup and of those that follow it; no server is asked. Raises as `chain_of`."""
    return chain_of(files, seal_keys)


async def restore(
    url: str,
    namespace: str,
    files: Sequence[Path],
    *,
    seal_keys: SealKeyring | None = None,
    replace: bool = False,
    at: int | None = None,
) -> BackupFile:
    """Write a backup, and those that follow it, to an empty namespace; returns the last that was taken.

    All files are checked before anything is written. Until the last write the namespace cannot be opened; one whose
    restoring was ended in its middle can be restored again. `at` takes the files up to the cut of that cursor.
    Raises ValidationError for a cursor that is no cut of them, or a namespace of another name if something is sealed
    for the one it was, CasConflictError for a namespace that is not empty.
    """
    chain = chain_of(files, seal_keys)
    if at is not None:
        cuts = [one.trailer.cursor for one in chain]
        if at not in cuts:
            raise ValidationError(_made_at(list(dict.fromkeys(cuts)), at))
        chain = chain[: len(cuts) - cuts[::-1].index(at)]
    last = chain[-1]
    check_name(last.meta, last.header.namespace, namespace)
    async with connected(url, namespace) as (client, keys):
        restoring = RestoringNamespace(client, keys, uuid4().hex)
        await restoring.begin(replace=replace)
        for one in chain:
            for records in one.records():
                for record in records:
                    await restoring.add(record)
        await restoring.finish(last.meta)
    return last


def _made_at(cuts: Sequence[int], at: int) -> str:
    if len(cuts) == 1:
        return f"this backup was made at cursor {cuts[0]}: give that one, not {at}"
    known = f"{', '.join(map(str, cuts[:-1]))} and {cuts[-1]}"
    return f"these backups were made at cursors {known}: give one of those, not {at}"
