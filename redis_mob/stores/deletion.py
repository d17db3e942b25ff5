"""Deletes one run: it is gone by one script, and what it has left elsewhere goes in steps.

The runs of a definition are not counted: those that an older release starts would not be in the count, and a definition
would go that a run under way needs. It is looked for among the other runs of the mob instead, at first among those that
were created just before or after, which mostly have the same one (decision 0029).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from redis_mob.codec.deletions import (
    EARLIER,
    DeletableRun,
    Deletion,
    decode_deletable,
    decode_deletion,
    encode_deletion,
)
from redis_mob.codec.packing import pack
from redis_mob.codec.run_heads import place_prefix, run_id_of_place
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import NotFoundError
from redis_mob.models.deletion import DeletionStart
from redis_mob.stores.conversations import release
from redis_mob.stores.event_arguments import order_text
from redis_mob.stores.limited_entries import limited_entries

_AGAIN, _MOVED, _UNTOLD = -5, -6, -7
_STARTS = {
    Reply.WON: DeletionStart.GONE,
    Reply.LOST: DeletionStart.NOT_OVER,
    _AGAIN: DeletionStart.AGAIN,
    _UNTOLD: DeletionStart.UNTOLD,
}
"""Replies of lua/steering/begin_deletion: what they mean stands there."""

_PLACES = 500
"""How many places of runs one script reads."""

_NEIGHBOURS = 20
"""How many runs on each side of the deleted one are asked for their definition first."""

_TRIES = 50
"""How often a definition is looked for while runs are being created, before it stays where it is."""


class RunDeletion:
    """The deletion of one run. Any number of callers may delete the same one at a time."""

    def __init__(self, client: Client, keys: Keys, run_id: str) -> None:
        self._client = client
        self._all = keys
        self._keys = keys.run(run_id)
        self._run_id = run_id
        self._asked = set[bytes]()

    async def begin(self, keep_ms: int) -> DeletionStart:
        """See `SteeringStore.begin_deletion`."""
        has_moved = False
        while True:
            run = await self._read_head()
            reply = Reply.WON if run is None else await self._begin_deletion(run, keep_ms, has_moved=has_moved)
            if reply in _STARTS:
                return _STARTS[reply]
            # else it was deleted since it was read, perhaps by another caller, or its place is not where it says
            has_moved = reply == _MOVED

    async def go_on(self) -> bool:
        """See `SteeringStore.continue_deletion`. Only one of its scripts changes something: an error is about that."""
        found = await self._delete_events()
        if found is None:
            return False
        about, has_more_events = found
        if has_more_events:
            return True
        if self._client.payloads is not None:
            # before the end is said: until then the deletion is taken up again
            await self._client.payloads.delete_blobs(self._run_id)
        deletion, tries = decode_deletion(self._run_id, about), 0
        while True:
            tries += 1
            created = await self._created_without(deletion) if tries <= _TRIES else None
            reply = await self._end_deletion(about, "" if created is None else deletion.definition, created or 0)
            if reply != Reply.LOST:
                return reply == Reply.NOT_FOUND

    async def _read_head(self) -> DeletableRun | None:
        """The run; None if it is gone already, and something of it is left. Raises NotFoundError."""
        keys = [self._keys.run, self._keys.index, self._keys.deletion]
        head = await self._client.read("steering/read_head", keys)
        if head is None:
            raise NotFoundError.of_run(self._run_id, self._all.namespace)
        return decode_deletable(self._run_id, head) if head else None

    async def _begin_deletion(self, run: DeletableRun, keep_ms: int, *, has_moved: bool) -> int:
        if run.sequence is None or has_moved:
            place = await self._found_place(run)
        else:
            place = run.place(run.sequence)
        definition = "" if run.launch is None else run.launch.definition
        keys, everything = self._keys, self._all
        limited = await limited_entries(self._client, everything, run)
        if run.conversation is not None:
            await release(self._client, everything, self._run_id, run.conversation)
        return await self._client.call(
            "steering/begin_deletion",
            [
                *keys.parts,
                keys.index,
                keys.executions,
                keys.published,
                keys.progress,
                keys.cursors,
                keys.deletion,
                keys.deleted_cursors,
                keys.tombstone,
                everything.meta,
                everything.runs,
                everything.due,
                everything.ready,
                everything.queued,
                everything.lost,
                everything.turns,
                everything.deletions,
                everything.events_index,
                everything.events_by_time,
                everything.wake_runs,
                everything.runs_by_status,
                everything.by_attribute,
                everything.gated,
                everything.debounces,
            ],
            {
                "run_id": self._run_id,
                "place": place,
                "ended": run.ended,
                "since": order_text(max(run.launched_at - EARLIER, 0)) if run.launched_at else b"",
                "keep": keep_ms or b"",
                "about": encode_deletion(Deletion(run.head.mob_id, place, definition)),
                "entries": run.entries,
                "limited": limited,
                "queues": run.queues,
                "turn": pack(self._run_id),
            },
        )

    async def _found_place(self, run: DeletableRun) -> bytes:
        """The place of a run that does not tell it, as older releases wrote it; the oldest are looked at first.

        Empty if it has none: then the runs have lost it, which they tell as ever.
        """
        end = self._run_id.encode()
        async for _, places in self._pages(run.prefix):
            for place in places:
                if place.endswith(end):
                    return place
        return b""

    async def _delete_events(self) -> tuple[bytes, bool] | None:
        """What the deletion was begun with, and whether there may be more events; None if it is at its end."""
        keys, everything = self._keys, self._all
        log = [everything.events, everything.events_index, everything.events_by_time]
        keys_of_call = [everything.meta, keys.deletion, keys.deleted_cursors, *log]
        reply = await self._client.call("steering/delete_events", keys_of_call, [self._run_id, pack(self._run_id)])
        return None if reply is None else (bytes(reply[0]), bool(reply[1]))

    async def _end_deletion(self, about: bytes, definition: str, created: int) -> int:
        """End it, and drop the definition; what the replies mean stands in lua/steering/end_deletion."""
        keys, everything = self._keys, self._all
        keys_of_call = [
            everything.meta,
            keys.deletion,
            keys.deleted_cursors,
            everything.deletions,
            everything.definitions,
            everything.schedule_definitions,
        ]
        return await self._client.call(
            "steering/end_deletion", keys_of_call, [self._run_id, about, definition, created]
        )

    async def _created_without(self, deletion: Deletion) -> int | None:
        """How many runs were created when none was found with the definition of the deleted one; None if one has it."""
        if not deletion.definition or await self._has_neighbour_with(deletion):
            return None
        created = None
        async for number, places in self._pages(place_prefix(deletion.mob_id)):
            # what is created while they are looked through raises the number that the first of the replies gives
            created = number if created is None else created
            if await self._any_has(deletion.definition, self._new(places)):
                return None
        return created

    def _new(self, places: Iterable[bytes]) -> list[str]:
        """The runs at these places that were not asked for their definition before."""
        new = [place for place in places if place not in self._asked]
        self._asked.update(new)
        return [run_id_of_place(place)[1] for place in new]

    async def _has_neighbour_with(self, deletion: Deletion) -> bool:
        # the place tells where it was: the run is not there any more
        flow = deletion.place[:-52]
        for backwards in (0, 1):
            _, places = await self._places(flow, deletion.place, backwards, _NEIGHBOURS)
            ids = [run_id_of_place(place)[1] for place in places]
            if await self._any_has(deletion.definition, ids[:1]) or await self._any_has(deletion.definition, ids[1:]):
                return True
        return False

    async def _any_has(self, digest: str, run_ids: Iterable[str]) -> bool:
        launches = await asyncio.gather(*(self._read_launch(run_id) for run_id in run_ids))
        # the digest stands in the record as it is; that other text has it too would only keep a definition
        return any(digest.encode() in bytes(launch) for launch in launches if launch is not None)

    async def _read_launch(self, run_id: str) -> Any:
        return await self._client.read("steering/read_launch", [self._all.run(run_id).run])

    async def _pages(self, prefix: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
        """All places with a prefix, some at a time, and how many runs were ever created when they were read."""
        after = b""
        while True:
            created, places = await self._places(prefix, after, 0, _PLACES)
            yield created, places
            if len(places) < _PLACES:
                return
            after = places[-1]

    async def _places(self, prefix: bytes, after: bytes, backwards: int, most: int) -> tuple[int, list[bytes]]:
        created, places = await self._client.read(
            "steering/places", [self._all.meta, self._all.runs], [prefix, after, backwards, most]
        )
        return int(created), [bytes(place) for place in places]
