"""The event log in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from redis_mob.codec.arguments import flag, integer, listed, moment, optional_cursor
from redis_mob.codec.events import (
    STRUCTURAL,
    EncodedEvent,
    decode_event,
    encode_new_event,
    require_kind,
    require_terminal,
    told_otherwise,
)
from redis_mob.contracts import MobEventStore
from redis_mob.errors import EpochChangedError, EventsTrimmedError
from redis_mob.memory.namespace import Access
from redis_mob.models import ForkJobTerminal, MobEvent, NewMobEvent, StepFailed
from redis_mob.notifications.pushed_entries import Entry
from redis_mob.notifications.subscription import Subscription


class MemoryEventStore(MobEventStore):
    """The contract's `MobEventStore` in memory; its docstrings say what holds. `prune` looks at every event."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def append(self, event: NewMobEvent, /) -> MobEvent:
        return (await self.append_batch([event]))[0]

    async def append_batch(self, events: Sequence[NewMobEvent], /) -> list[MobEvent]:
        return self._append(list(map(encode_new_event, listed("events", events))))

    def _append(self, encoded: list[EncodedEvent]) -> list[MobEvent]:
        content = self._access.content
        return content.log.append(encoded, content.clock.now())

    async def append_terminal_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        require_terminal(event)
        return self._append_if_absent(event)

    async def append_step_failed_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        require_kind(event, StepFailed)
        return self._append_if_absent(event)

    async def append_fork_job_terminal_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        require_kind(event, ForkJobTerminal)
        return self._append_if_absent(event)

    def _append_if_absent(self, event: NewMobEvent) -> MobEvent | None:
        log, encoded = self._access.content.log, encode_new_event(event)
        if not log.has(encoded):
            return self._append([encoded])[0]
        if not log.says(encoded):
            raise told_otherwise(event)
        return None

    async def poll(self, after_cursor: int, limit: int) -> list[MobEvent]:
        _, page = await self.read_after(integer("after_cursor", after_cursor), integer("limit", limit))
        return [decode_event(*entry) for entry in page]

    async def replay_all(self) -> list[MobEvent]:
        _, entries = await self.read_after(0, None)
        return [decode_event(*entry) for entry in entries]

    async def read_after(self, after: int, limit: int | None) -> tuple[int, list[Entry]]:
        """(greatest cursor ever given, undecoded events after a cursor)."""
        log = self._access.content.log
        return log.newest, log.read_after(after, limit)

    async def latest_cursor(self) -> int:
        return self._access.content.log.latest_cursor()

    async def prune(self, older_than: datetime, *, structural: bool = False) -> int:
        bound, kept = moment("older_than", older_than), () if flag("structural", structural) else STRUCTURAL
        return self._access.content.log.prune(bound, kept=kept)

    async def clear(self) -> None:
        self._access.content.log.clear()

    @asynccontextmanager
    async def subscribe(self, after: int | None = None) -> AsyncGenerator[AsyncIterator[MobEvent]]:
        after = optional_cursor("after", after)
        log = self._access.content.log
        with log.wake_ups.listen() as wake_up:
            after = log.newest if after is None else max(after, 0)
            yield Subscription(
                self,
                wake_up,
                after,
                decode=decode_event,
                lost=EventsTrimmedError,
                gone_back=EpochChangedError.of_events,
            )
