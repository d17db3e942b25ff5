"""The checkpointer of LangGraph on plain Redis or Valkey."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Self, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from redis_mob import sync
from redis_mob.codec.arguments import optional_instance, optional_integer, time_to_live
from redis_mob.codec.counted_texts import counted, name_digest
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import ValidationError, shown
from redis_mob.langgraph import thread_records as records
from redis_mob.langgraph.addresses import Address, utf8
from redis_mob.langgraph.delta_history import delta_history
from redis_mob.langgraph.opening import Home, Opening, server_of
from redis_mob.langgraph.pruning import all_but_newest
from redis_mob.langgraph.thread_records import NewCheckpoint, StoredCheckpoint, loaded
from redis_mob.langgraph.threads import PAGE, Threads
from redis_mob.storage import MobStorage


class RedisMobSaver(BaseCheckpointSaver[str]):
    """Keeps the checkpoints of graphs in a namespace of redis_mob; `open` makes it, or a storage that is open.

    Each call is one atomic script, which happens at most once, also where its reply is lost
    (contract: langgraph-1, langgraph-2). A thread goes `ttl` after its last write; without it, it stays until it is
    deleted. `serde` is a serializer of LangGraph, which may encrypt. Methods raise the errors of the stores, and
    ValidationError for a config or an id that names nothing.

    A synchronous method is for threads other than that of the event loop in which the storage was opened. One that was
    opened with `with` serves all threads and event loops.
    """

    def __init__(
        self,
        storage: MobStorage | sync.MobStorage,
        *,
        ttl: timedelta | None = None,
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde)
        self._threads = Threads(server_of(storage, "a checkpointer"), time_to_live(ttl))
        self._home = Home(storage)
        self._storage = storage
        self._owns_storage = False

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        namespace: str = "default",
        ttl: timedelta | None = None,
        serde: SerializerProtocol | None = None,
        durability: str = "memory",
        retry: RetryPolicy | None = None,
    ) -> Opening[Self]:
        """Open a namespace for it: `async with RedisMobSaver.open(...) as saver`, or `with` where no event loop runs.

        Takes and raises what `MobStorage.open` does, ValidationError for a bad `ttl`.
        """
        time_to_live(ttl)  # a bad one is refused before a server is reached

        def made(storage: MobStorage | sync.MobStorage) -> Self:
            saver = cls(storage, ttl=ttl, serde=serde)
            saver._owns_storage = True
            return saver

        return Opening(made, url, namespace, durability, retry)

    async def aclose(self) -> None:
        """Close the storage, if it was opened for this."""
        if self._owns_storage and isinstance(self._storage, MobStorage):
            await self._storage.aclose()

    def close(self) -> None:
        """Close the storage, if it was opened for this with `with`."""
        if self._owns_storage and isinstance(self._storage, sync.MobStorage):
            self._storage.close()

    # the coroutines, which may be called in any event loop

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that a config names, or the newest one of its thread and namespace; None if there is none."""
        return await self._home.wait(self._get_tuple(Address.of(config)))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints of a thread, the newest first, or those of all threads.

        `filter` is what their metadata has, `before` an id before which they are. Of a config without a namespace all
        namespaces are listed, one after the other. They are read in parts: what is put meanwhile may be missing.
        """
        async for found in self._home.aiterate(self._list(config, filter, before, limit)):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint, and the value of each channel that has a new version; returns the config that names it."""
        return await self._home.wait(self._put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task has written. What it has written already stays as it was, but for errors and interrupts."""
        await self._home.wait(self._put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread: no key of it is left."""
        await self._home.wait(self._threads.delete_thread(utf8("thread_id", thread_id)))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that have these ids of runs in their metadata, in all threads."""
        await self._home.wait(self._delete_for_runs([utf8("run_ids", run_id) for run_id in run_ids]))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with all that it has. Raises NotFoundError if there is none, CasConflictError if the target
        has something."""
        source, target = utf8("source_thread_id", source_thread_id), utf8("target_thread_id", target_thread_id)
        await self._home.wait(self._threads.copy_thread(source, target))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints of threads but the newest of each namespace, and those that its delta channels are
        made of; with the strategy `delete` the threads. Raises ValidationError for another strategy."""
        if strategy not in ("keep_latest", "delete"):
            raise ValidationError(f"strategy must be keep_latest or delete, not {shown(strategy)}")
        await self._home.wait(self._prune([utf8("thread_ids", thread) for thread in thread_ids], strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What the ancestors of a checkpoint have written to delta channels, and the value that this began with."""
        return await self._home.wait(self._delta_history(config, channels))

    # the same without async

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`."""
        return self._home.run(self._get_tuple(Address.of(config)))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`."""
        return self._home.iterate(self._list(config, filter, before, limit))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`."""
        return self._home.run(self._put(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `aput_writes`."""
        self._home.run(self._put_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """As `adelete_thread`."""
        self._home.run(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `adelete_for_runs`."""
        self._home.run(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `acopy_thread`."""
        self._home.run(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`."""
        self._home.run(self.aprune(thread_ids, strategy=strategy))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `aget_delta_channel_history`."""
        return self._home.run(self._delta_history(config, channels))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """The next version of a channel: greater than `current`, and another one than that of a second writer, so that
        neither takes the other's value for its own."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:032}.{random.getrandbits(64):020}"

    # what happens in the event loop of the storage

    async def _get_tuple(self, address: Address) -> CheckpointTuple | None:
        if address.checkpoint_id is None:
            found = await self._threads.newest(address.thread, counted(address.namespace or b""))
        else:
            read = await self._threads.read_checkpoints(address.thread, [address.place])
            found = read[0] if read else None
        return None if found is None else self._tuple(address, found)

    async def _list(
        self,
        config: RunnableConfig | None,
        wanted: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> AsyncGenerator[CheckpointTuple]:
        if config is not None:
            addresses = _only(Address.of(config))
        else:
            addresses = (Address(thread) async for thread in self._threads.list_threads())
        left = optional_integer("limit", limit)
        optional_instance("filter", wanted, dict)
        async for address in addresses:
            async for found in self._list_thread(address, wanted, before, left):
                yield found
                left = None if left is None else left - 1

    async def _list_thread(
        self, address: Address, wanted: dict[str, Any] | None, before: RunnableConfig | None, limit: int | None
    ) -> AsyncGenerator[CheckpointTuple]:
        last = None if before is None else Address.id_in(before)
        high = address.upper_bound(last)
        while limit is None or limit > 0:
            # where all are wanted, no more are listed than are read
            most = PAGE if limit is None or wanted else min(limit, PAGE)
            listed = await self._threads.list_checkpoints(address.thread, address.lower_bound(), high, most)
            chosen = [
                place
                for place, metadata in listed
                if address.takes(place, last) and self._has(wanted, records.decode_metadata(metadata)[1])
            ][:limit]
            for found in await self._threads.read_checkpoints(address.thread, chosen):
                yield self._tuple(address, found)
            limit = None if limit is None else limit - len(chosen)
            if len(listed) < most:
                return
            high = b"(c" + listed[-1][0]

    def _has(self, wanted: dict[str, Any] | None, metadata: records.Typed) -> bool:
        if not wanted:
            return True
        found = loaded(self.serde, "the metadata of a checkpoint", metadata)
        return all(found.get(name) == value for name, value in wanted.items())

    async def _put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        address, told = Address.of(config), get_checkpoint_metadata(config, metadata)
        values, namespace = checkpoint["channel_values"], address.namespace or b""
        field = partial(records.blob_field, namespace)
        fields = {
            name: field(utf8("a channel", name), str(version).encode())
            for name, version in {**checkpoint["channel_versions"], **new_versions}.items()
        }
        blobs = {
            fields[name]: records.encode_typed(self.serde.dumps_typed(values[name]))
            for name in new_versions
            if name in values
        }
        kept = {name: value for name, value in checkpoint.items() if name != "channel_values"}
        next_id, run = utf8("checkpoint id", checkpoint["id"]), told.get("run_id")
        new = NewCheckpoint(
            place=records.place_of(namespace, next_id),
            checkpoint=records.encode_typed(self.serde.dumps_typed(kept)),
            metadata=records.encode_metadata(
                run := name_digest(utf8("run_id", run)).encode() if run else records.NO_RUN,
                address.checkpoint_id or b"",
                self.serde.dumps_typed(told),
            ),
            references=[fields[name] for name in checkpoint["channel_versions"]],
            run=run,
            blobs=blobs,
        )
        await self._threads.put_checkpoint(address.thread, new)
        return address.config(namespace.decode(), checkpoint["id"])

    async def _put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> None:
        address = Address.of(config)
        if address.checkpoint_id is None:
            raise ValidationError("config names no checkpoint_id: writes belong to a checkpoint")
        task, path = utf8("task_id", task_id), utf8("task_path", task_path).decode()
        once, again = dict[bytes, bytes](), dict[bytes, bytes]()
        for position, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, position)
            write = records.encode_write(utf8("a channel", channel), task_id, path, self.serde.dumps_typed(value))
            (again if index < 0 else once)[records.write_field(address.place, task, index)] = write
        await self._threads.put_writes(address.thread, once, again)

    async def _delete_for_runs(self, runs: Sequence[bytes]) -> None:
        for run in (name_digest(run).encode() for run in runs):
            for thread in await self._threads.threads_of_run(run):
                await self._threads.delete_checkpoints(thread, await self._threads.checkpoints_of_run(thread, run))

    async def _prune(self, threads: Sequence[bytes], strategy: str) -> None:
        for thread in threads:
            if strategy == "delete":
                await self._threads.delete_thread(thread)
            else:
                await self._threads.delete_checkpoints(thread, await all_but_newest(self._threads, thread, self.serde))

    async def _delta_history(
        self, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        address = Address.of(config)
        if address.checkpoint_id is None:
            newest = await self._threads.newest(address.thread, counted(address.namespace or b""))
            place = b"" if newest is None else newest.place
        else:
            place = address.place
        return await delta_history(self._threads, address.thread, place, channels, self.serde)

    def _tuple(self, address: Address, found: StoredCheckpoint) -> CheckpointTuple:
        namespace, checkpoint_id = records.namespace_and_id(found.place)
        load = partial(
            loaded, self.serde, f"checkpoint {shown(checkpoint_id)} of thread {shown(address.thread.decode())}"
        )
        values = {channel: load(blob) for channel, blob in found.blobs.items()}
        return CheckpointTuple(
            config=address.config(namespace, checkpoint_id),
            checkpoint=cast("Checkpoint", {**load(found.checkpoint), "channel_values": values}),
            metadata=load(found.metadata),
            parent_config=address.config(namespace, found.parent) if found.parent else None,
            pending_writes=[(write.task, write.channel, load(write.value)) for write in found.writes],
        )


async def _only(address: Address) -> AsyncIterator[Address]:
    yield address
