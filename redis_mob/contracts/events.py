"""What the event log promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

from redis_mob.models import MobEvent, NewMobEvent


@runtime_checkable
class MobEventStore(Protocol):
    """One totally ordered log of events for a whole namespace; reads are not filtered by mob (contract: events-1).

    Cursors start at 1, grow by 1 with each event and are never used again, also after prune and clear
    (contract: events-2). Timestamps come from the server's clock unless the event brings its own (contract: events-4).
    All methods raise WriteFailedError or ReadFailedError when the storage cannot be reached, OutcomeUnknownError when
    the connection was lost after a write was sent, ValidationError for an argument of another type, InternalError for
    an event that cannot be stored, before any write, and once the storage is closed (contract: store-23, store-24).
    """

    async def append(self, event: NewMobEvent, /) -> MobEvent:
        """Append one event of any kind, a second terminal event of a flow included (contract: events-5)."""
        ...

    async def append_terminal_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        """Append the terminal event of a flow unless (mob, run, flow) has one, which any append may have stored.

        Returns None if it has. Pruning does not make room for a second one; clear does (contract: events-9).
        Raises InternalError for an event that ends no flow, before anything is read or written.
        """
        ...

    async def append_step_failed_event_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        """Append a step_failed event unless (mob, run, step) has one.

        Returns None if one it has says the same, times aside; raises CasConflictError if all it has say something
        else, and InternalError for an event of another kind (contract: events-10). Plain appends count too; pruning
        does not make room for another one, clear does.
        """
        ...

    async def append_fork_job_terminal_if_absent(self, event: NewMobEvent, /) -> MobEvent | None:
        """Append a fork_job_terminal event unless (mob, job, child) has one since the last reset of the mob.

        Returns None if the one it has says the same, times aside; raises CasConflictError if it says something else,
        and InternalError for an event of another kind (contract: events-23). Plain appends count too; pruning does
        not make room for another one, clear does.
        """
        ...

    async def append_batch(self, events: Sequence[NewMobEvent], /) -> list[MobEvent]:
        """Append all events, or none, with contiguous cursors in the given order. Nothing happens for an empty list."""
        ...

    async def poll(self, after_cursor: int, limit: int) -> list[MobEvent]:
        """At most `limit` events with greater cursors than `after_cursor`, in ascending order.

        A negative cursor is the beginning, a negative limit is 0; neither has an upper bound.
        Raises SerializationError naming the cursor of an event that cannot be read (contract: events-12).
        """
        ...

    async def replay_all(self) -> list[MobEvent]:
        """All events, in ascending order. Raises like poll."""
        ...

    async def latest_cursor(self) -> int:
        """The greatest cursor still present, 0 if there is none; it may fall when events are pruned."""
        ...

    async def prune(self, older_than: datetime, *, structural: bool = False) -> int:
        """Delete the events whose timestamp lies strictly before `older_than`; returns how many.

        The events from which the structure of a mob is rebuilt are kept unless `structural` is True, as
        `models.events.STRUCTURAL_KINDS` lists them (contract: events-13, events-14). It costs as much as it deletes,
        and what it keeps costs nothing at the next prune. A flow whose terminal event was pruned stays terminated.
        Raises InternalError for a time without a zone.
        """
        ...

    async def clear(self) -> None:
        """Delete all events and the memory of which flows are terminated. Cursors go on."""
        ...

    def subscribe(self, after: int | None = None) -> AbstractAsyncContextManager[AsyncIterator[MobEvent]]:
        """Follow the log: each event once, in order, without gaps, across processes and lost connections.

        Without `after` it starts with the next event that is appended; with a cursor it first replays what came
        after it. Raises EventsTrimmedError once where events were pruned or cleared before they could be read, and
        then goes on with the first one available (contract: events-18). Raises EpochChangedError once where events that
        it had passed are gone or others, because the storage has lost what it had acknowledged, and then goes on after
        the last one that is still the same; that includes an `after` that the log has not come to. Raises
        ValidationError for an `after` that no log ever comes to, which is above 2**64 - 1.
        """
        ...
