"""A run as the UI message stream of the AI SDK, version 1, and the answers that `useChat` sends (https://ai-sdk.dev)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

from redis_mob.fleet.sse import HEARTBEAT_SECONDS
from redis_mob.frontends.answers import FrontEndAnswer, answer_of_value, list_of, object_of, offset_in
from redis_mob.frontends.feed import Answered, Asked, Began, Ended, FeedItem, Gap
from redis_mob.frontends.frames import frames_of
from redis_mob.frontends.tracks import OfMember, Track, step_name, text_id, text_of
from redis_mob.models.progress import ProgressReport, StreamChunk, StreamEnd, StreamReset
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage

HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",
}
"""The headers of the response."""

AFTER, RUN_ID = "after", "runId"
"""Fields of the metadata of the message: up to where the run was told, and its id."""

Chunk = dict[str, Any]


def frames(
    storage: MobStorage, run_id: str, after: int | None = None, *, heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[bytes]:
    """A run as server-sent chunks of one message, until it is over or waits for answers alone (contract: progress-8).

    Raises as `run_feed` before the first chunk; a storage that is lost after that is told as an error.
    """
    return frames_of(storage, run_id, after, AiSdkChunks(run_id), heartbeat)


class AiSdkChunks:
    """Turns what a feed gives into chunks, in their order. It does no I/O.

    What is told in the topic `output` as a text is a text part. An ask is a call of a dynamic tool of the name of its
    kind that waits for an approval. How a step is doing is a part `data-step`, any other chunk a part `data-chunk`.
    """

    last = b"data: [DONE]\n\n"
    """What ends the stream of frames."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._texts: dict[Track, str] = {}
        self._asked: set[str] = set()

    def of(self, item: FeedItem) -> Iterator[Chunk]:
        """The chunks of an item."""
        match item:
            case Began():
                metadata = {RUN_ID: self._run_id}
                yield {"type": "start", "messageId": self._run_id, "messageMetadata": metadata}
                yield {"type": "start-step"}
            case Gap():
                yield _data("gap", {"after": item.after, "first": item.first})
            case Asked():
                yield from self._asks(item)
            case Answered():
                yield _answered(item)
            case Ended():
                yield from self._ended(item)
            case _:
                yield from self._told(item)

    def failed(self, reason: str) -> Iterator[Chunk]:
        """The chunks that end the stream because it cannot be told further."""
        yield from self._texts_closed()
        yield {"type": "error", "errorText": reason}
        yield {"type": "finish", "finishReason": "error"}

    def _told(self, entry: OfMember) -> Iterator[Chunk]:
        track = Track.of(entry)
        match entry:
            case StreamReset():
                voided = self._texts.get(track)
                yield from self._text_closed(track)
                yield _data("reset", {"step": step_name(entry), **({} if voided is None else {"id": voided})})
            case ProgressReport():
                yield _step(entry, "running", fraction=entry.fraction, message=entry.message, data=entry.data)
            case StreamChunk():
                if entry.lost:
                    yield _data("lost", {"step": step_name(entry), "chunks": entry.lost})
                yield from self._chunk(track, entry)
            case StreamEnd():
                yield from self._text_closed(track)
                yield _step(entry, "succeeded" if entry.succeeded else "failed")

    def _chunk(self, track: Track, entry: StreamChunk) -> Iterator[Chunk]:
        if (text := text_of(entry)) is None:
            yield _data("chunk", {"step": step_name(entry), "topic": entry.topic, "value": entry.value})
            return
        part_id = text_id(entry)
        if self._texts.get(track) != part_id:
            self._texts[track] = part_id
            yield {"type": "text-start", "id": part_id}
        yield {"type": "text-delta", "id": part_id, "delta": text}

    def _asks(self, asked: Asked) -> Iterator[Chunk]:
        for pending in asked.asks:
            ask = pending.ask
            if ask.id not in self._asked:
                self._asked.add(ask.id)
                call = {"toolCallId": ask.id, "toolName": ask.kind, "input": ask.payload, "dynamic": True}
                yield {"type": "tool-input-available", **call, "title": f"{pending.step_id}: {ask.kind}"}
                yield {"type": "tool-approval-request", "approvalId": ask.id, "toolCallId": ask.id}
        if asked.waits:
            yield from self._texts_closed()
            yield from self._finished("tool-calls", asked.after)

    def _ended(self, ended: Ended) -> Iterator[Chunk]:
        yield from self._texts_closed()
        if ended.status is MobRunStatus.FAILED:
            yield {"type": "error", "errorText": ended.reason or "the run has failed"}
        if ended.status is MobRunStatus.CANCELED:
            yield {"type": "abort", "reason": "the run was canceled"}
        else:
            yield from self._finished("error" if ended.status is MobRunStatus.FAILED else "stop", ended.after)

    def _finished(self, reason: str, after: int) -> Iterator[Chunk]:
        yield {"type": "finish-step"}
        metadata = {RUN_ID: self._run_id, AFTER: after}
        yield {"type": "finish", "finishReason": reason, "messageMetadata": metadata}

    def _text_closed(self, track: Track) -> Iterator[Chunk]:
        if (part_id := self._texts.pop(track, None)) is not None:
            yield {"type": "text-end", "id": part_id}

    def _texts_closed(self) -> Iterator[Chunk]:
        for track in list(self._texts):
            yield from self._text_closed(track)


def answers_in(body: Any) -> list[FrontEndAnswer]:
    """The answers in the last message of a request of `useChat`: the approvals that its user has given or refused.

    Raises ValidationError for what is no such request.
    """
    found: list[FrontEndAnswer] = []
    for part in list_of("parts", _last_message(body).get("parts")):
        given = object_of("a part", part)
        if given.get("state") == "approval-responded":
            approval = object_of("approval", given.get("approval"))
            value = {"approved": approval.get("approved"), "message": approval.get("reason")}
            found.append(answer_of_value(approval.get("id"), value))
    return found


def after_in(body: Any) -> int | None:
    """The offset after which the run goes on, from the metadata of the last message; None if it has none."""
    return offset_in(_last_message(body).get("metadata"), AFTER)


def _last_message(body: Any) -> Mapping[str, Any]:
    messages = list_of("messages", object_of("the body", body).get("messages"))
    return object_of("a message", messages[-1]) if messages else {}


def _data(kind: str, value: Any, part_id: str | None = None) -> Chunk:
    return {"type": f"data-{kind}", **({} if part_id is None else {"id": part_id}), "data": value}


def _step(entry: OfMember, state: str, **told: Any) -> Chunk:
    """How a step is doing: a part that is replaced by the next one of its id."""
    said = {name: value for name, value in told.items() if value is not None}
    return _data("step", {"step": step_name(entry), "state": state, **said}, text_id(entry))


def _answered(item: Answered) -> Chunk:
    call = {"toolCallId": item.ask.ask.id}
    if item.answer is None:
        return {"type": "tool-output-error", **call, "errorText": "there was no answer in time", "dynamic": True}
    if not item.answer.approved:
        return {"type": "tool-output-denied", **call}
    return {"type": "tool-output-available", **call, "output": item.answer.value, "dynamic": True}
