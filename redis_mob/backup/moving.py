"""Moves a namespace to another place: what `redis-mob copy` does (contract: backup-7)."""

from __future__ import annotations

from contextlib import suppress
from uuid import uuid4

from redis_mob.backup.live import LiveNamespace
from redis_mob.backup.requests import existing_namespace, meta_of, server_of, state_of
from redis_mob.backup.restoring import RestoringNamespace, check_name
from redis_mob.connection.calls.namespace_state import GIVEN_UP, MOVE, NamespaceState
from redis_mob.connection.calls.unopened_namespace import connected
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import CasConflictError, MobStoreError, StorageUnavailableError, ValidationError, shown


async def move(url: str, namespace: str, to_url: str, to_namespace: str, *, replace: bool = False) -> int:
    """Move a namespace; returns the cursor of the switch-over.

    It is copied while others go on writing; at the cut it refuses all writes, with the new place in the error, and the
    new one is opened as soon as the last changes are there. If that fails the old one goes on, and the error is raised;
    if it cannot be found out whether the new one is there, the old one stays closed: StorageUnavailableError.
    All that can be refused is refused before anything is removed that the new place has.
    Raises ValidationError if both are the same, or something is sealed for the name that it had.
    """
    id = f"{MOVE}{uuid4().hex}"
    async with connected(to_url, to_namespace) as (target, new), existing_namespace(url, namespace) as (client, keys):
        if to_namespace == namespace and await server_of(target, new) == await server_of(client, keys):
            raise ValidationError(f"both URLs lead to the same namespace {shown(namespace)}: it would replace itself")
        restoring = RestoringNamespace(target, new, id)
        reading = LiveNamespace(client, keys, id, after_cut=f"moved {id} {named_place(to_url, to_namespace)}")
        try:
            await reading.begin()
            check_name(await meta_of(client, keys), namespace, to_namespace)
            await restoring.begin(replace=replace)
            async for record in reading.records():
                await restoring.add(record)
            check_name(reading.cut.meta, namespace, to_namespace)
            await restoring.finish(reading.cut.meta)
        except BaseException as error:
            try:
                is_there = await _is_there(restoring, reading, await state_of(client, keys))
            except MobStoreError as second:
                why = f"{error}; whether namespace {shown(namespace)} has moved cannot be found out: {second}; "
                what = "it may refuse writes now: try `redis-mob copy FROM TO --abort` when both servers answer"
                raise StorageUnavailableError(why + what) from error
            if not is_there and restoring.has_begun:
                with suppress(MobStoreError):  # `--abort` does that later, too
                    await restoring.give_up()
                    await restoring.remove()
            if not is_there or not isinstance(error, MobStoreError):
                raise
        return reading.cut.cursor


async def _is_there(restoring: RestoringNamespace, reading: LiveNamespace, state: NamespaceState) -> bool:
    """Whether a move has ended, for one that was interrupted; one that has not is undone at the old place."""
    if state.stands == "moved" and not await restoring.give_up():
        return True
    await reading.let_go()
    return False


async def abort_move(url: str, namespace: str, to_url: str, to_namespace: str) -> None:
    """Undo a move that has not ended: open the old namespace again, and remove the keys that the new one has of it.

    Both places know the move by its id, so that URLs may be spelled otherwise than for it. Only where the new place has
    lost what it knew, its URL must be the one that the old namespace names.
    Raises ValidationError if no move has closed the namespace or begun at this place, CasConflictError if the move has
    ended, so that the namespace is there.
    """
    async with connected(to_url, to_namespace) as (target, new), connected(url, namespace) as (client, keys):
        here, there = await state_of(client, keys), await state_of(target, new)
        is_closed = here.stands == "moved"
        ended = (await meta_of(target, new)).get(b"restored", b"").decode(errors="replace")
        is_left = there.stands == "restoring" and (there.id == GIVEN_UP or there.is_of_move)
        is_known = here.is_of_move and here.id in (there.id, ended)
        asked = named_place(to_url, to_namespace)
        if not is_closed and not is_left:
            raise ValidationError(
                f"no move has closed namespace {shown(namespace)}, or begun at {asked}: there is nothing to abort"
            )
        if is_closed and not is_known and here.more != asked:
            raise ValidationError(
                f"namespace {shown(namespace)} was moved to another place: {here.more}; give the URL as it is there"
            )
        restoring = RestoringNamespace(target, new, here.id if is_closed else there.id)
        if not await restoring.give_up():
            raise CasConflictError(f"the move of namespace {shown(namespace)} has ended: use {asked}")
        if is_closed or is_known:
            await LiveNamespace(client, keys, here.id).let_go()
        if is_left and (there.id == GIVEN_UP or is_known or not is_closed):
            await restoring.remove()


def named_place(url: str, namespace: str) -> str:
    """What the place of a namespace is called, without a password."""
    return f"namespace {namespace} of {parse_address(url)}"
