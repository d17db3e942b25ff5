"""Events of a protocol of front ends as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any, Protocol

from redis_mob.errors import MobStoreError, shortened
from redis_mob.fleet.sse import with_heartbeat
from redis_mob.frontends.feed import FeedItem, run_feed
from redis_mob.models.base import json_text
from redis_mob.storage import MobStorage


class Adapter(Protocol):
    """Turns what a feed gives into events of a protocol."""

    @property
    def last(self) -> bytes:
        """What ends the stream of frames."""
        ...

    def of(self, item: FeedItem, /) -> Iterator[dict[str, Any]]:
        """The events of an item."""
        ...

    def failed(self, reason: str, /) -> Iterator[dict[str, Any]]:
        """The events that end the stream because it cannot be told further."""
        ...


async def frames_of(
    storage: MobStorage, run_id: str, after: int | None, adapter: Adapter, heartbeat: float
) -> AsyncGenerator[bytes]:
    """The frames of a run; a comment comes where nothing is told for a while."""
    async with run_feed(storage, run_id, after) as items:
        try:
            async for frame in with_heartbeat(items, lambda item: frame_of(adapter.of(item)), heartbeat):
                yield frame
        except MobStoreError as error:
            yield frame_of(adapter.failed(shortened(error)))
    if adapter.last:
        yield adapter.last


def frame_of(events: Iterator[dict[str, Any]]) -> bytes:
    """The events of one item as server-sent events."""
    return "".join(f"data: {json_text(event)}\n\n" for event in events).encode()
