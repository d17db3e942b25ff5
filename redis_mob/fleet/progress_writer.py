"""Writes what the handlers of a worker tell: in batches for each run, and so that no handler waits for the storage.

A batch is on its way while the next one gathers. So the first chunk leaves at once, and the faster handlers tell, the
more goes with one call.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from redis_mob.contracts import ProgressStore
from redis_mob.errors import MobStoreError
from redis_mob.fleet.telling import Ready
from redis_mob.models.progress import NewProgress, ProgressSource

MOST_AT_ONCE = 200
"""Entries of one call."""

MOST_UNSENT = 1_000
"""Entries of a run that may wait; then `ctx.stream` waits too."""

MOST_KEPT = 4 * MOST_UNSENT
"""Entries of a run that are kept for a handler that does not wait; further chunks are lost."""

REPORT_SECONDS = 0.1
"""How long after a report of an execution the next one leaves, at the earliest."""

_log = logging.getLogger(__name__)


class ProgressWriter:
    """Takes what is told in one worker, in its event loop."""

    def __init__(self, store: ProgressStore | None) -> None:
        self._store = store
        self._runs: dict[str, _Unsent] = {}
        self._is_failing = False

    def attempt(self, run_id: str, source: ProgressSource) -> AttemptTeller:
        """What one attempt tells."""
        return AttemptTeller(self, run_id, source)

    def add(self, run_id: str, entry: NewProgress, owner: AttemptTeller | None = None) -> bool:
        """Have an entry sent; False if too many wait already."""
        if self._store is None:
            return True
        unsent = self._runs.get(run_id)
        if unsent is None:
            unsent = self._runs[run_id] = _Unsent()
            unsent.sending = asyncio.create_task(self._send(self._store, run_id, unsent), name="redis_mob progress")
        if owner is not None and len(unsent.entries) >= MOST_KEPT:
            return False
        unsent.entries.append((entry, owner))
        unsent.added += 1
        return True

    def has_room(self, run_id: str) -> bool:
        """Whether so few entries of a run wait that a handler need not."""
        unsent = self._runs.get(run_id)
        return unsent is None or len(unsent.entries) < MOST_UNSENT

    async def room(self, run_id: str) -> None:
        """Wait until there is room, or all is sent."""
        while not self.has_room(run_id):
            await self._runs[run_id].batch_sent.wait()

    async def sent(self, run_id: str) -> None:
        """Wait until all is sent that was told of a run so far, or given up."""
        unsent = self._runs.get(run_id)
        if unsent is not None:
            upto = unsent.added
            while self._runs.get(run_id) is unsent and unsent.done < upto:
                await unsent.batch_sent.wait()

    async def aclose(self) -> None:
        """Give up what is unsent."""
        tasks = [unsent.sending for unsent in self._runs.values() if unsent.sending is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, store: ProgressStore, run_id: str, unsent: _Unsent) -> None:
        try:
            while unsent.entries:
                batch = [unsent.entries.popleft() for _ in range(min(len(unsent.entries), MOST_AT_ONCE))]
                try:
                    if await store.append(run_id, [entry for entry, _ in batch]) is None:
                        unsent.done += len(unsent.entries)
                        unsent.entries.clear()  # the run is over: what comes now is for no reader
                    self._is_failing = False
                except MobStoreError as error:
                    self._tell_failure(error, run_id)
                    lost = Counter(owner for entry, owner in batch if entry.kind == "chunk" and owner is not None)
                    for owner, count in lost.items():
                        owner.lost += count
                unsent.done += len(batch)
                unsent.wake()
        finally:
            del self._runs[run_id]
            unsent.wake()

    def _tell_failure(self, error: MobStoreError, run_id: str) -> None:
        level = logging.DEBUG if self._is_failing else logging.WARNING
        self._is_failing = True
        _log.log(level, "what handlers tell of run %s is lost until the storage takes it again: %s", run_id, error)


class _Unsent:
    """What waits of one run, and the task that sends it."""

    def __init__(self) -> None:
        self.entries: deque[tuple[NewProgress, AttemptTeller | None]] = deque()
        self.sending: asyncio.Task[None] | None = None
        self.added = 0
        self.done = 0
        """Entries that were sent, or given up."""
        self.batch_sent = asyncio.Event()

    def wake(self) -> None:
        """Let those look again that wait."""
        self.batch_sent.set()
        self.batch_sent = asyncio.Event()


class AttemptTeller:
    """What the handler of one attempt tells, from the event loop or from other threads."""

    def __init__(self, writer: ProgressWriter, run_id: str, source: ProgressSource) -> None:
        self.lost = 0
        """Chunks that could not be sent since the last one that was."""
        self._writer = writer
        self._run_id = run_id
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._numbers: Counter[str] = Counter()
        self._has_told = False
        self._report: dict[str, Any] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._is_over = False

    def report(self, value: dict[str, Any], /) -> Awaitable[None]:
        """Have a report sent, or keep it until the pause since the last one is over."""
        return self._told(lambda: self._take_report(value))

    def stream(self, topic: str, value: Any, /) -> Awaitable[None]:
        """Have a chunk sent."""
        return self._told(lambda: self._take_chunk(topic, value))

    async def end(self, *, succeeded: bool | None) -> None:
        """The handler has ended: wait until all that it told is sent, if it told anything.

        Of one that waits for people, where `succeeded` is None, no end is told: it goes on.
        """
        self._send_report()
        self.leave()
        if self._has_told:
            if succeeded is not None:
                self._writer.add(self._run_id, NewProgress(self._source, "end", succeeded=succeeded))
            await self._writer.sent(self._run_id)

    def leave(self) -> None:
        """Take nothing more: the execution is another worker's, or the handler goes on beyond its time."""
        self._is_over = True
        if self._pause is not None:
            self._pause.cancel()

    def _told(self, take: Callable[[], None]) -> Awaitable[None]:
        if threading.get_ident() == self._thread:
            take()
            return _Room(self._writer, self._run_id)
        try:
            self._loop.call_soon_threadsafe(take)
            if not self._writer.has_room(self._run_id):
                asyncio.run_coroutine_threadsafe(self._writer.room(self._run_id), self._loop).result()
        except RuntimeError:
            pass  # the loop of the worker is closed: it has handed back what it held
        return Ready()

    def _take_report(self, value: dict[str, Any]) -> None:
        self._report = value
        if self._pause is None:
            self._send_report()

    def _send_report(self) -> None:
        self._pause = None
        report, self._report = self._report, None
        if report is not None and not self._is_over:
            self._add(NewProgress(self._source, "report", value=report))
            self._pause = self._loop.call_later(REPORT_SECONDS, self._send_report)

    def _take_chunk(self, topic: str, value: Any) -> None:
        if self._is_over:
            return
        entry = NewProgress(self._source, "chunk", topic, self._numbers[topic], self.lost, value=value)
        self._numbers[topic] += 1
        if self._add(entry):
            self.lost = 0
        else:
            self.lost += 1

    def _add(self, entry: NewProgress) -> bool:
        if not self._has_told:
            self._has_told = True
            if self._source.fencing_token > 1:
                # an earlier attempt may have told something, in this process or another one
                self._writer.add(self._run_id, NewProgress(self._source, "reset"))
        return self._writer.add(self._run_id, entry, self)


class _Room:
    """Awaiting it waits for room, if there is none."""

    def __init__(self, writer: ProgressWriter, run_id: str) -> None:
        self._writer = writer
        self._run_id = run_id

    def __await__(self) -> Generator[Any, None, None]:
        if not self._writer.has_room(self._run_id):
            yield from self._writer.room(self._run_id).__await__()
