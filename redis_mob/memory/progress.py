"""The progress of runs in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from redis_mob.codec.arguments import integer, listed
from redis_mob.codec.progress import decode_progress, encode_progress
from redis_mob.contracts import ProgressStore, WakeUp
from redis_mob.errors import ValidationError
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.memory.run_progress import RunProgress
from redis_mob.models.progress import NewProgress, ProgressPage
from redis_mob.notifications.run_messages import about_progress
from redis_mob.notifications.wake_up_flag import WakeUpFlag


class MemoryProgressStore(ProgressStore):
    """The contract's `ProgressStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def append(self, run_id: str, entries: Sequence[NewProgress]) -> int | None:
        content, key = self._access.content, run_key(run_id)
        encoded = list(map(encode_progress, listed("entries", entries)))
        if not encoded:
            raise ValidationError("entries must not be empty")
        if existing_run(content, key).status.is_terminal:
            return None
        offset = content.progress.setdefault(key, RunProgress()).append(encoded, content.clock.now())
        content.progress_wake_ups.send(key.encode())
        return offset

    async def read_after(self, run_id: str, after: int, limit: int) -> ProgressPage:
        content, key = self._access.content, run_key(run_id)
        after, limit = integer("after", after, least=0), integer("limit", limit, least=1)
        run, progress = existing_run(content, key), content.progress.get(key) or RunProgress()
        entries = progress.after(after, limit)
        return ProgressPage(
            run.status, progress.newest, tuple(decode_progress(key, offset, fields) for offset, fields in entries)
        )

    @asynccontextmanager
    async def listen(self, run_id: str) -> AsyncGenerator[WakeUp]:
        content, flag = self._access.content, WakeUpFlag(about_progress(run_key(run_id)))
        with content.progress_wake_ups.listen(flag=flag), content.run_wake_ups.listen(flag=flag):
            yield flag
