"""Which checkpoints of a thread may go, so that the newest ones are still whole."""

from __future__ import annotations

from langgraph.checkpoint.base import CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol

from redis_mob.langgraph import thread_records as records
from redis_mob.langgraph.delta_history import ancestors_needed
from redis_mob.langgraph.threads import Threads


async def all_but_newest(threads: Threads, thread: bytes, serde: SerializerProtocol) -> list[bytes]:
    """The places of all checkpoints but the newest of each namespace, and those that its delta channels are made of."""
    places = await threads.checkpoints(thread)
    # in lexical order, so that the last one of a namespace is its newest
    newest = {records.namespace_and_id(place)[0]: place for place in places}
    kept = set(newest.values())
    for found in await threads.read_checkpoints(thread, list(newest.values())):
        metadata: CheckpointMetadata = records.loaded(serde, "the metadata of a checkpoint", found.metadata)
        deltas = [one for one in metadata.get("counters_since_delta_snapshot", {}) if one not in found.blobs]
        kept.update(await ancestors_needed(threads, thread, found.place, deltas))
    return [place for place in places if place not in kept]
