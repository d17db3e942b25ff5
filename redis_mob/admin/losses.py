"""What the keys of a namespace have lost, and how an operator accepts it.

Calls are refused for as long as a key has fewer records than were written to it (contract: store-25). Where the lost
records cannot be brought back, say from a backup, accepting the loss makes what is there count as all that ever was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis_mob.codec.executions import decode_executions
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.run_heads import COUNTED, run_id_of_place
from redis_mob.codec.runs import core_parts, decode_core
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.tokens import TokenKey
from redis_mob.connection.calls.unopened_namespace import connected
from redis_mob.connection.failures import TransportError
from redis_mob.errors import NotFoundError, ReadFailedError, SerializationError, shown
from redis_mob.kernel.completeness import missing_part
from redis_mob.models.base import canonical_run_id
from redis_mob.version import NAMESPACE_SCHEMA

NEWEST_RUNS = 1000
"""How many runs of a namespace `find_losses` looks at, the newest ones."""

_AT_ONCE = 100
_UNCOUNTED = "its records are not counted"  # lua/lib/losses writes the same


@dataclass(frozen=True, slots=True)
class Loss:
    """What is wrong with a key, as `3 of 5 records are there`."""

    key: str
    found: str

    @property
    def is_uncounted(self) -> bool:
        """Whether it only says that an older release, which did not count, has written it."""
        return self.found == _UNCOUNTED

    def __str__(self) -> str:
        return f"{self.key}: {self.found}"


async def find_losses(url: str | None, namespace: str, run_id: str | None = None) -> list[Loss]:
    """What a namespace has lost, its newest thousand runs included; or what one run has lost. Writes nothing.

    A namespace or run of an older release, whose records are not counted, is told as that. Raises ValidationError for a
    bad URL, name or id, StorageUnavailableError if the server cannot be reached, ReadFailedError if it refuses,
    SerializationError for a key of another type.
    """
    async with connected(url, namespace) as (client, keys):
        if run_id is not None:
            return await _find_in_run(client, keys, run_id)
        return await losses_of(client, keys)


async def accept_losses(url: str | None, namespace: str, run_id: str | None = None) -> list[Loss]:
    """Let what a namespace, or one run, has lost count as never written, in one atomic step; returns what was lost.

    Of a namespace: counts and counters are set to what is there, a document or binding that is listed and gone is no
    longer listed, one that is not listed is, and last revisions follow their documents. If the hash of the namespace
    itself was damaged, all clients get an EpochChangedError.

    Of a run: its counts are set to what is there. A run that lacks a frame, a loop or an execution which it cannot go
    on without is canceled, by the next worker that looks at it. A run without its hash is forgotten: its times, and
    that its end is in the log, so that a run which gets its id again ends with an event of its own.

    Records of an older release count from then on. Nothing is written if nothing is missing. What cannot be read, as a
    state without one of its groups, stays refused. A lost time to look at a run comes back when its cancellation is
    asked for.

    Raises as `find_losses`, NotFoundError if there is no such namespace or run, WriteFailedError if the server refuses,
    OutcomeUnknownError if the reply was lost: then do it again.
    """
    async with connected(url, namespace) as (client, keys):
        if run_id is not None:
            found = await _accept_in_run(client, keys, run_id)
        else:
            arguments = [NAMESPACE_SCHEMA, TokenKey.generate().stored]
            found = _losses(await client.call("admin/accept_losses", keys.fixed, arguments))
        if not found:
            await _require(client, keys, namespace, run_id)
    return found


async def _require(client: Client, keys: Keys, namespace: str, run_id: str | None) -> None:
    """Raises NotFoundError if there is no such namespace or run: a wrong name must not look like a sound one."""
    where, key = (
        (f"namespace {shown(namespace)}", keys.meta) if run_id is None else ("run " + run_id, keys.run(run_id).run)
    )
    try:
        exists = await client.router.request("EXISTS", key)
    except TransportError as error:
        raise ReadFailedError(f"cannot tell whether {where} exists: {error}") from error.__cause__
    if not exists:
        raise NotFoundError(f"there is no {where} on this server")


async def losses_of(client: Client, keys: Keys) -> list[Loss]:
    """What a namespace has lost, its newest runs included. Raises ReadFailedError and SerializationError."""
    reply, places = await client.read("admin/find_losses", keys.fixed)
    found, newest = _losses(reply), sorted(map(run_id_of_place, places))[-NEWEST_RUNS:]
    for first in range(0, len(newest), _AT_ONCE):
        runs = [_find_in_run(client, keys, run_id) for _, run_id in newest[first : first + _AT_ONCE]]
        found += [loss for losses in await asyncio.gather(*runs) for loss in losses]
    return found


async def _find_in_run(client: Client, keys: Keys, run_id: str) -> list[Loss]:
    found, missing = await _look_in_run(client, keys, run_id)
    return found + missing


async def _accept_in_run(client: Client, keys: Keys, run_id: str) -> list[Loss]:
    # A run that cannot go on stays as it is between the two calls, unless it ends: the script looks at that again.
    _, missing = await _look_in_run(client, keys, run_id)
    keys_of_run, arguments = _run_call(keys, run_id)
    found = await client.call("admin/accept_losses_of_run", keys_of_run, [*arguments, int(bool(missing))])
    return _losses(found) + missing


async def _look_in_run(client: Client, keys: Keys, run_id: str) -> tuple[list[Loss], list[Loss]]:
    """What the keys of a run have lost, and what it cannot go on without."""
    found, parts = await client.read("admin/find_losses_of_run", *_run_call(keys, run_id))
    return _losses(found), _missing(keys.run(run_id).run, canonical_run_id(run_id), *parts) if parts else []


def _missing(run: str, run_id: str, parts: Sequence[Sequence[bytes]], executions: Sequence[bytes]) -> list[Loss]:
    """What a run that is under way cannot go on without; what cannot be read at all is no such thing."""
    core = core_parts(parts)
    uncounted = core._replace(head={name: value for name, value in core.head.items() if name != COUNTED})
    try:
        lacks = missing_part(decode_core(run_id, uncounted), decode_executions(run_id, as_mapping(executions)))
    except SerializationError:
        return []
    if lacks is None:
        return []
    part, what = lacks
    return [Loss(f"{run}:{part}", f"{what}; accepting this cancels the run, which cannot go on")]


def _run_call(keys: Keys, run_id: str) -> tuple[list[str], list[str]]:
    run = keys.run(run_id)
    schedule = [keys.due, keys.ready, keys.queued, keys.lost]
    fixed = [keys.meta, keys.runs, *schedule, keys.events_index, keys.runs_by_status, keys.gated]
    return [*run.parts, run.index, run.executions, run.published, *fixed], [canonical_run_id(run_id)]


def _losses(reply: Sequence[Any]) -> list[Loss]:
    return [Loss(key.decode(), found.decode(errors="replace")) for key, found in reply]
