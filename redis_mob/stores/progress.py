"""The progress of runs on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis_mob.codec.arguments import integer, listed
from redis_mob.codec.executions import decode_status
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.progress import decode_progress, encode_progress
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import ProgressStore, WakeUp
from redis_mob.errors import NotFoundError, SerializationError, ValidationError, shown
from redis_mob.models.base import U64_MAX, canonical_run_id
from redis_mob.models.progress import KEPT_SECONDS, MOST_BYTES_OF_RUN, MOST_ENTRIES, NewProgress, ProgressPage
from redis_mob.notifications.run_messages import about_progress
from redis_mob.notifications.wake_up_flag import WakeUpFlag
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores.readable import readable

_MOST_READ = 1_000_000
"""More entries than any run has."""


@readable
class RedisProgressStore(ProgressStore):
    """The contract's `ProgressStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys, wake_ups: WakeUps) -> None:
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups

    async def append(self, run_id: str, entries: Sequence[NewProgress]) -> int | None:
        keys, encoded = self._keys.run(run_id), list(map(encode_progress, listed("entries", entries)))
        if not encoded:
            raise ValidationError("entries must not be empty")
        reply = await self._client.call(
            "progress/append",
            [keys.run, keys.index, keys.progress, self._keys.wake_progress],
            {
                "run_id": canonical_run_id(run_id),
                "most": MOST_ENTRIES,
                "most_bytes": MOST_BYTES_OF_RUN,
                "keep": KEPT_SECONDS * 1000,
                "entries": encoded,
            },
        )
        if reply == Reply.NOT_FOUND:
            raise NotFoundError.of_run(run_id, self._keys.namespace)
        return None if reply == Reply.LOST else _offset(run_id, reply)

    async def read_after(self, run_id: str, after: int, limit: int) -> ProgressPage:
        keys = self._keys.run(run_id)
        # no entry has the greatest number, after which the server would find no beginning
        bounds = [min(integer("after", after, least=0), U64_MAX - 1), min(integer("limit", limit, least=1), _MOST_READ)]
        reply = await self._client.read("progress/read_after", [keys.run, keys.index, keys.progress], bounds)
        if reply is None:
            raise NotFoundError.of_run(run_id, self._keys.namespace)
        status, newest, entries = reply
        run_id = canonical_run_id(run_id)
        return ProgressPage(
            decode_status(run_id, status),
            _offset(run_id, newest) if newest else 0,
            tuple(decode_progress(run_id, _offset(run_id, key), as_mapping(fields)) for key, fields in entries),
        )

    @asynccontextmanager
    async def listen(self, run_id: str) -> AsyncGenerator[WakeUp]:
        self._keys.run(run_id)  # refuses what is no id
        flag = WakeUpFlag(about_progress(canonical_run_id(run_id)))
        async with (
            self._wake_ups.listen(self._keys.wake_progress, flag=flag),
            self._wake_ups.listen(self._keys.wake_runs, flag=flag),
        ):
            yield flag


def _offset(run_id: str, key: Any) -> int:
    """The offset in the id of an entry. Raises SerializationError for an id that this library does not give."""
    time, _, number = bytes(key).partition(b"-")
    if time != b"0" or not number.isdigit():
        raise SerializationError(f"the progress of run {run_id} is damaged: it has an entry {shown(bytes(key))}")
    return int(number)
