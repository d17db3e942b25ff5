"""The threads of LangGraph on a server: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from redis_mob.codec.counted_texts import name_digest
from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import CasConflictError, NotFoundError, shown
from redis_mob.langgraph import thread_records as records
from redis_mob.langgraph.thread_records import NewCheckpoint, StoredCheckpoint, StoredWrite

PAGE = 100
"""How many places, metadata or threads one script lists."""

_READ = 10
"""How many checkpoints one script reads, with all their blobs."""

_DELETED = 500
"""How many checkpoints one script deletes."""


class Threads:
    """The threads of one namespace; `time_to_live` in milliseconds is how long one stays after each write.

    Writes happen at most once however often they are sent (decision 0015). All raise as the methods of the stores do.
    """

    def __init__(self, server: OpenNamespace, time_to_live: int | None) -> None:
        self._client = server.client
        self._namespace = server.keys.namespace
        self._keys = server.keys.langgraph
        self._time_to_live = b"" if time_to_live is None else time_to_live

    def _of_thread(self, thread: bytes) -> list[str]:
        return [*self._keys.thread(name_digest(thread)), self._keys.threads, self._keys.expiry, self._keys.runs]

    async def put_checkpoint(self, thread: bytes, new: NewCheckpoint) -> None:
        """Keep a checkpoint and its blobs, all or nothing."""
        arguments = {
            "thread": thread,
            "place": new.place,
            "checkpoint": new.checkpoint,
            "metadata": new.metadata,
            "references": records.joined(new.references),
            "run": new.run,
            "time_to_live": self._time_to_live,
            "blobs": [part for blob in new.blobs.items() for part in blob],
        }
        await self._client.call("langgraph/put_checkpoint", self._of_thread(thread), arguments)

    async def put_writes(self, thread: bytes, once: Mapping[bytes, bytes], again: Mapping[bytes, bytes]) -> None:
        """Keep writes on top of a checkpoint: `once` where they are not there yet, `again` in any case."""
        arguments = {
            "thread": thread,
            "time_to_live": self._time_to_live,
            "once": [part for write in once.items() for part in write],
            "again": [part for write in again.items() for part in write],
        }
        await self._client.call("langgraph/put_writes", self._of_thread(thread), arguments)

    async def newest(self, thread: bytes, prefix: bytes) -> StoredCheckpoint | None:
        """The checkpoint with the greatest id of those whose places begin with this."""
        found = await self.read_checkpoints(thread, [], newest=prefix)
        return found[0] if found else None

    async def read_checkpoints(
        self, thread: bytes, places: Sequence[bytes], *, newest: bytes = b""
    ) -> list[StoredCheckpoint]:
        """The checkpoints at these places, as far as they are there."""
        keys, found = self._of_thread(thread)[:2], list[StoredCheckpoint]()
        for first in range(0, max(len(places), 1), _READ):
            wanted = {"newest": newest, "wanted": places[first : first + _READ]}
            reply = await self._client.read("langgraph/read_checkpoints", keys, wanted)
            found += (StoredCheckpoint.of(*parts) for parts in reply)
        return found

    async def list_checkpoints(self, thread: bytes, low: bytes, high: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """Place and metadata of the last checkpoints between two bounds of ZRANGE BYLEX, the last one first."""
        reply = await self._client.read("langgraph/list_checkpoints", self._of_thread(thread)[:2], [low, high, most])
        return [(place, metadata) for place, metadata in zip(reply[::2], reply[1::2], strict=True) if metadata]

    async def list_threads(self) -> AsyncIterator[bytes]:
        """All threads, in the order of their ids."""
        async for thread in self._list_places(self._keys.threads, b""):
            yield thread

    async def threads_of_run(self, run: bytes) -> list[bytes]:
        """The threads that have checkpoints of a run."""
        return [thread async for thread in self._list_places(self._keys.runs, b"r" + run)]

    async def checkpoints_of_run(self, thread: bytes, run: bytes) -> list[bytes]:
        """The places of the checkpoints that a run has made in a thread."""
        return [place async for place in self._list_places(self._of_thread(thread)[0], b"r" + run)]

    async def checkpoints(self, thread: bytes) -> list[bytes]:
        """The places of all checkpoints of a thread."""
        return [place async for place in self._list_places(self._of_thread(thread)[0], b"c")]

    async def _list_places(self, key: str, prefix: bytes) -> AsyncIterator[bytes]:
        after = b""
        while True:
            found: list[bytes] = await self._client.read("langgraph/list_places", [key], [prefix, after, PAGE])
            for one in found:
                yield one
            if len(found) < PAGE:
                return
            after = found[-1]

    async def read_ancestors(
        self, thread: bytes, place: bytes, prefix: bytes, channels: Sequence[tuple[bytes, bytes]]
    ) -> tuple[bytes, list[tuple[dict[int, bytes], list[StoredWrite], bytes]]]:
        """Of some ancestors of a checkpoint: the blob of each channel, by its number, the writes to the channels, and
        the place. A channel is told by the beginnings of its blobs and its writes; an ancestor that has its blob is the
        last one that is asked for it. Comes with the place to go on from, empty at the end."""
        arguments = {
            "place": place,
            "prefix": prefix,
            "most": PAGE,
            "channels": [part for channel in channels for part in channel],
        }
        reply = await self._client.read("langgraph/read_ancestors", self._of_thread(thread)[:2], arguments)
        return reply[0], [
            (dict(zip((number - 1 for number in blobs[::2]), blobs[1::2], strict=True)), records.writes_in(writes), at)
            for blobs, writes, at in reply[1]
        ]

    async def delete_checkpoints(self, thread: bytes, places: Iterable[bytes]) -> None:
        """Delete checkpoints with what belongs to them alone, so many at a time."""
        gone = list(places)
        for first in range(0, len(gone), _DELETED):
            arguments = {"thread": thread, "gone": gone[first : first + _DELETED]}
            await self._client.call("langgraph/delete_checkpoints", self._of_thread(thread), arguments)

    async def delete_thread(self, thread: bytes) -> None:
        """Delete a thread; nothing happens if there is none."""
        await self._client.call("langgraph/delete_thread", self._of_thread(thread), [thread])

    async def copy_thread(self, source: bytes, target: bytes) -> None:
        """Copy a thread. Raises NotFoundError if there is none, CasConflictError if the target has something."""
        keys = [*self._of_thread(source)[:2], *self._of_thread(target)]
        reply: Any = await self._client.call("langgraph/copy_thread", keys, [source, target, self._time_to_live])
        if reply == Reply.NOT_FOUND:
            raise NotFoundError(f"namespace {shown(self._namespace)} has no thread {shown(source.decode())}")
        if reply == Reply.EXISTS:
            raise CasConflictError(f"thread {shown(target.decode())} exists: delete it, or copy to another id")
