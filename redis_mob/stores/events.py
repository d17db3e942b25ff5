"""The event log on Redis: a stream whose ids are the cursors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from redis_mob.codec.arguments import flag, integer, listed, moment, optional_cursor
from redis_mob.codec.events import (
    STRUCTURAL,
    decode_event,
    pushed_event,
    require_kind,
    require_terminal,
    told_otherwise,
)
from redis_mob.codec.ledgers import microseconds
from redis_mob.codec.packing import Argument
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.connection.calls.turns import CallsOfOneTurn
from redis_mob.contracts import MobEventStore
from redis_mob.errors import EpochChangedError, EventsTrimmedError
from redis_mob.models import ForkJobTerminal, MobEvent, NewMobEvent, StepFailed
from redis_mob.notifications.pushed_entries import Entry, PushedEntries
from redis_mob.notifications.shared_log import SharedLog
from redis_mob.notifications.subscription import PAGE, Subscription
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.event_arguments import cursor_argument, event_arguments, log_keys, order_text, stored_event
from redis_mob.stores.readable import readable
from redis_mob.stores.streams import cursor_of, entries_of


@readable
class RedisEventStore(MobEventStore):
    """The contract's `MobEventStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys, wake_ups: WakeUps) -> None:
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups
        self._shared = SharedLog(self, self._decoded)
        self._appends = CallsOfOneTurn(self._append_batch)

    def _decoded(self, cursor: int, fields: Mapping[bytes, bytes]) -> MobEvent:
        """An event that was read, or pushed: what is pushed passes no call that reads its payloads."""
        payloads = self._client.payloads
        plain = fields if payloads is None else {name: payloads.read_at_once(one) for name, one in fields.items()}
        return decode_event(cursor, plain)

    async def append(self, event: NewMobEvent, /) -> MobEvent:
        # those of many tasks that come in one turn of the event loop are one call: most of what an event costs is the
        # call that brings it
        return stored_event(event, await self._appends.add(event_arguments(event)))

    async def append_batch(self, events: Sequence[NewMobEvent], /) -> list[MobEvent]:
        batch = listed("events", events)
        return list(map(stored_event, batch, await self._append_batch(list(map(event_arguments, batch)))))

    async def _append_batch(self, encoded: Sequence[Sequence[Argument]]) -> Sequence[Sequence[bytes | int]]:
        if not encoded:
            return []
        return await self._client.call("events/append_batch", log_keys(self._keys), {"new_events": encoded})

    async def append_terminal_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        require_terminal(event)
        return await self._append_if_absent(event)

    async def append_step_failed_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        require_kind(event, StepFailed)
        return await self._append_if_absent(event)

    async def append_fork_job_terminal_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        require_kind(event, ForkJobTerminal)
        return await self._append_if_absent(event)

    async def _append_if_absent(self, event: NewMobEvent) -> MobEvent | None:
        reply = await self._client.call(
            "events/append_if_absent", log_keys(self._keys), {"event": event_arguments(event)}
        )
        if reply == Reply.LOST:
            return None
        if reply == Reply.CONFLICT:
            raise told_otherwise(event)
        return stored_event(event, reply)

    async def poll(self, after_cursor: int, limit: int) -> list[MobEvent]:
        events: list[MobEvent] = []
        async for page in self._pages(integer("after_cursor", after_cursor), integer("limit", limit)):
            events += [decode_event(cursor, fields) for cursor, fields in page]
        return events

    async def replay_all(self) -> list[MobEvent]:
        return [decode_event(cursor, fields) async for page in self._pages(0, None) for cursor, fields in page]

    async def _pages(self, after: int, limit: int | None) -> AsyncIterator[list[Entry]]:
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(PAGE, limit)
            _, page = await self.read_after(after, size)
            if page:
                yield page
                after = page[-1][0]
            if len(page) < size:
                return
            limit = None if limit is None else limit - len(page)

    async def read_after(self, after: int, limit: int) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, undecoded events after a cursor)."""
        keys = [self._keys.meta, self._keys.events]
        return entries_of(await self._client.read("events/read_after", keys, [cursor_argument(after), limit]))

    async def newest_cursor(self) -> int:
        """The greatest cursor ever given, 0 if none was."""
        newest, _ = await self.read_after(0, 1)
        return newest

    async def latest_cursor(self) -> int:
        entries = await self._client.read("events/latest_cursor", [self._keys.meta, self._keys.events], [])
        return cursor_of(entries[0][0]) if entries else 0

    async def prune(self, older_than: datetime, *, structural: bool = False) -> int:
        bound = order_text(microseconds(moment("older_than", older_than)))
        kept = () if flag("structural", structural) else STRUCTURAL
        keys = [self._keys.meta, self._keys.events, self._keys.events_by_time]
        return await self._client.call("events/prune", keys, {"moment": bound, "kept": kept})

    async def clear(self) -> None:
        keys = self._keys
        await self._client.call("events/clear", [keys.meta, keys.events, keys.events_index, keys.events_by_time], [])

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[AsyncIterator[MobEvent]]:
        after = optional_cursor("after", after)
        async with self._wake_ups.listen(self._keys.wake_events, flag=PushedEntries(pushed_event)) as wake_up:
            if after is None:
                after = await self.newest_cursor()
            yield Subscription(
                self._shared,
                wake_up,
                cursor_argument(after),
                decode=self._shared.decoded,
                lost=EventsTrimmedError,
                gone_back=EpochChangedError.of_events,
            )
