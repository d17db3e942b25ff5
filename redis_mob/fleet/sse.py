"""What a watcher is told as server-sent events, for any web framework that streams bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import TypeVar

from redis_mob.errors import ValidationError, shown
from redis_mob.models.base import U64_MAX
from redis_mob.models.progress import ProgressEntry, StreamChunk

T = TypeVar("T")

HEARTBEAT_SECONDS = 15.0
"""How long a connection is silent at most: proxies cut those that are silent for longer."""

MEDIA_TYPE = "text/event-stream"
"""The content type of the response."""


def server_sent_events(
    progress: AsyncIterator[ProgressEntry], heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[bytes]:
    """Each entry as one event: its id is the offset, its name the topic of a chunk or else the kind, its data JSON.

    While nothing is told there is a comment every `heartbeat` seconds. It ends with the run. A browser that reconnects
    sends the id of the last event that it saw; `last_event_id` gives it for `Fleet.watch(after=...)`.
    """
    return with_heartbeat(progress, _event, heartbeat)


async def with_heartbeat(
    items: AsyncIterator[T], spelled: Callable[[T], bytes], heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[bytes]:
    """Each item as it is spelled, and a comment where none has come for `heartbeat` seconds."""
    following: asyncio.Future[T] | None = None
    try:
        while True:
            if following is None:
                following = asyncio.ensure_future(_next(items))
            done, _ = await asyncio.wait({following}, timeout=heartbeat)
            if not done:
                yield b": nothing new\n\n"
                continue
            try:
                item = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield spelled(item)
    finally:
        if following is not None:
            following.cancel()


def last_event_id(headers: Mapping[str, str]) -> int | None:
    """The offset that a browser sends when it reconnects; None at first. Names of headers in any case.

    Raises ValidationError for what is no offset; of one that the run has never told `Fleet.watch` says so.
    """
    found = next((value for name, value in headers.items() if name.lower() == "last-event-id"), "").strip()
    if not found:
        return None
    if not found.isascii() or not found.isdigit() or len(found) > len(str(U64_MAX)):
        raise ValidationError(f"Last-Event-ID must be the id of an event, not {shown(found)}")
    return int(found)


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


def _event(entry: ProgressEntry) -> bytes:
    name = entry.topic if isinstance(entry, StreamChunk) else entry.kind
    return f"id: {entry.offset}\nevent: {_line(name)}\ndata: {entry.model_dump_json()}\n\n".encode()


def _line(name: str) -> str:
    """A name as the value of a field, which ends with its line."""
    return " ".join(name.split())
