"""Follows what the handlers of a run tell, until the run is over (contract: progress-6, progress-7)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from redis_mob.codec.arguments import integer, optional_valid_text
from redis_mob.contracts import ProgressStore, WakeUp
from redis_mob.errors import ProgressTrimmedError, ValidationError, shown
from redis_mob.models.progress import ProgressEntry, RunOver, StoredProgress, StreamEnd, StreamReset
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS

PAGE = 200
"""Entries read at a time."""


@asynccontextmanager
async def watch(
    store: ProgressStore, run_id: str, topic: str | None = None, after: int | None = None
) -> AsyncGenerator[Watcher]:
    """See `Fleet.watch`."""
    wanted, offset = optional_valid_text("topic", topic), None if after is None else integer("after", after, least=0)
    page = await store.read_after(run_id, 0, 1)  # raises for a run that does not exist
    if offset is not None and offset > page.newest:
        there_is = f"the newest is {page.newest}" if page.newest else "nothing that the run has told is kept"
        raise ValidationError(
            f"after: offset {shown(offset)} was never told; {there_is}: give that of an entry of this run, or none"
        )
    async with store.listen(run_id) as wake_up:
        yield Watcher(store, run_id, wake_up, wanted, offset)


class Watcher(AsyncIterator[ProgressEntry]):
    """Reads on from an offset. An error is raised once, then it goes on; a cancelled wait loses nothing."""

    def __init__(
        self, store: ProgressStore, run_id: str, wake_up: WakeUp, topic: str | None, after: int | None
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._wake_up = wake_up
        self._topic = topic
        self._after = after
        self._unread: deque[ProgressEntry] = deque()
        self._tokens: dict[tuple[str, str, str], int] = {}
        """The greatest fencing token of each member at each node that told something."""
        self._has_ended = False

    @property
    def offset(self) -> int:
        """Up to where it has read; entries before that it has given, or left out."""
        return self._after or 0

    async def __anext__(self) -> ProgressEntry:
        while True:
            while self._unread:
                entry = self._unread.popleft()
                self._after = entry.offset
                if isinstance(entry, RunOver):
                    self._has_ended = True
                    return entry
                if self._is_wanted(entry):
                    return entry
            if self._has_ended:
                raise StopAsyncIteration
            await self._look()

    async def _look(self) -> None:
        after = self._after or 0
        page = await self._store.read_after(self._run_id, after, PAGE)
        if page.newest < after:
            # The stream has ended since, and may have begun anew: it is kept for a day after its newest entry. Of the
            # new one the beginning may be gone as well.
            left = (await self._store.read_after(self._run_id, 0, 1)).entries
            first = left[0].offset if left else 1
            self._after = first - 1
            raise ProgressTrimmedError(self._run_id, after, first)
        self._unread.extend(page.entries)
        if len(page.entries) < PAGE and page.status.is_terminal:
            self._unread.append(RunOver(offset=page.newest, status=page.status))
        elif not page.entries:
            await self._wake_up.wait(SWEEP_SECONDS)
        if self._after is not None and page.entries and (first := page.entries[0].offset) > after + 1:
            self._after = first - 1
            raise ProgressTrimmedError(self._run_id, after, first)

    def _is_wanted(self, entry: StoredProgress) -> bool:
        """Whether it is of the topic, and of the latest attempt that told something."""
        attempt = (entry.frame_id, entry.node_id, entry.member)
        latest = self._tokens.get(attempt, 0)
        if entry.fencing_token < latest:
            return False
        self._tokens[attempt] = entry.fencing_token
        return self._topic is None or isinstance(entry, StreamReset | StreamEnd) or entry.topic == self._topic
