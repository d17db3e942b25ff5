"""What delta channels are made of: the writes of the checkpoints before, and the value that they began with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from langgraph.checkpoint.base import DeltaChannelHistory, PendingWrite
from langgraph.checkpoint.serde.base import SerializerProtocol

from redis_mob.codec.counted_texts import counted
from redis_mob.langgraph import thread_records as records
from redis_mob.langgraph.addresses import utf8
from redis_mob.langgraph.threads import Threads


async def delta_history(
    threads: Threads, thread: bytes, place: bytes, channels: Sequence[str], serde: SerializerProtocol
) -> Mapping[str, DeltaChannelHistory]:
    """Of each channel what the ancestors of the checkpoint at a place have written, the oldest first, back to the
    nearest value, which is the seed if there is one."""
    writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
    seeds, load = dict[str, Any](), partial(records.loaded, serde, "the history of a delta channel")
    async for ancestor in _ancestors(threads, thread, place, channels):
        for write in reversed(ancestor.writes):
            writes[write.channel].append((write.task, write.channel, load(write.value)))
        seeds |= {channel: load(blob) for channel, blob in ancestor.blobs.items()}
    found = dict[str, DeltaChannelHistory]()
    for channel, newest_first in writes.items():
        found[channel] = {"writes": newest_first[::-1]}
        if channel in seeds:
            found[channel]["seed"] = seeds[channel]
    return found


async def ancestors_needed(threads: Threads, thread: bytes, place: bytes, channels: Sequence[str]) -> list[bytes]:
    """The places of the ancestors without which these channels cannot be made."""
    return [ancestor.place async for ancestor in _ancestors(threads, thread, place, channels)]


class _Ancestor(NamedTuple):
    """A checkpoint before another one: the values and the writes that it has of channels which had no value since."""

    place: bytes
    blobs: Mapping[str, records.Typed]
    writes: Sequence[records.StoredWrite]


async def _ancestors(
    threads: Threads, thread: bytes, place: bytes, channels: Sequence[str]
) -> AsyncIterator[_Ancestor]:
    """The nearest one first, up to that which has the last value that is still wanted."""
    namespace = utf8("namespace", records.namespace_and_id(place)[0]) if place else b""
    left, at = list(dict.fromkeys(channels)), place
    while left and at:
        told_by = [(utf8("a channel", one), counted(utf8("a channel", one))) for one in left]
        beginnings = [(records.blob_field(namespace, name, b""), write) for name, write in told_by]
        at, found = await threads.read_ancestors(thread, at, counted(namespace), beginnings)
        valued = set[str]()
        for blobs, writes, ancestor in found:
            values = {left[number]: records.decode_typed(blob) for number, blob in blobs.items()}
            valued |= values.keys()
            yield _Ancestor(ancestor, values, writes)
        left = [one for one in left if one not in valued]
