"""Moves a namespace to another place: what `redis-mob copy` does (contract: backup-7)."""

from __future__ import annotations

from uuid import uuid4

from redis_mob.backup.live import LiveNamespace
from redis_mob.backup.requests import connected, existing_namespace, server_of, state_of
from redis_mob.backup.restoring import RestoringNamespace, check_name
from redis_mob.connection.calls.keys import MOVE
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import CasConflictError, MobStoreError, StorageUnavailableError, ValidationError, shown


async def move(url: str, namespace: str, to_url: str, to_namespace: str, *, replace: bool = False) -> int:
    """Move a namespace; returns the cursor of the switch-over.

    It is copied while others go on writing; at the cut it refuses all writes, with the new place in the error, and the
    new one is opened as soon as the last changes are there. If that fails the old one goes on, and the error is raised;
    if it cannot be found out whether the new one is there, the old one stays closed: StorageUnavailableError.
    Raises ValidationError if both are the same, or something is sealed for the name that it had.
    """
    id = f"{MOVE}{uuid4().hex}"
    async with connected(to_url, to_namespace) as (target, new), existing_namespace(url, namespace) as (client, keys):
        if to_namespace == namespace and await server_of(target, new) == await server_of(client, keys):
            raise ValidationError(f"both URLs lead to the same namespace {shown(namespace)}: it would replace itself")
        restoring = RestoringNamespace(target, new, id)
        reading = LiveNamespace(client, keys, id, after_cut=f"moved {id} {_place(to_url, to_namespace)}")
        try:
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
            if not is_there or not isinstance(error, MobStoreError):
                raise
        return reading.cut.cursor


async def _is_there(restoring: RestoringNamespace, reading: LiveNamespace, state: str) -> bool:
    """Whether a move has ended, for one that was interrupted; one that has not is undone."""
    if state.startswith("moved ") and not await restoring.give_up():
        return True
    await reading.let_go()
    return False


async def abort_move(url: str, namespace: str, to_url: str, to_namespace: str) -> None:
    """Open a namespace again that a move has closed without coming to its end.

    Raises ValidationError if no move to this place has closed it, CasConflictError if the move has ended, so that the
    namespace is there.
    """
    async with connected(to_url, to_namespace) as (target, new), connected(url, namespace) as (client, keys):
        state = await state_of(client, keys)
        stands, _, rest = state.partition(" ")
        id, _, place = rest.partition(" ")
        if stands != "moved":
            raise ValidationError(f"no move has closed namespace {shown(namespace)}: there is nothing to abort")
        if place != _place(to_url, to_namespace):
            raise ValidationError(f"namespace {shown(namespace)} was moved to another place: {place}")
        if await _is_there(RestoringNamespace(target, new, id), LiveNamespace(client, keys, id), state):
            raise CasConflictError(f"the move of namespace {shown(namespace)} has ended: use {place}")


def _place(url: str, namespace: str) -> str:
    return f"namespace {namespace} of {parse_address(url)}"
