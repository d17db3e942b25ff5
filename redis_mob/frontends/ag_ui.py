"""A run as events of AG-UI 1.0, and the answers that its front ends send (https://docs.ag-ui.com)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from redis_mob.fleet.sse import HEARTBEAT_SECONDS
from redis_mob.frontends.answers import FrontEndAnswer, answer_of_value, list_of, object_of, offset_in
from redis_mob.frontends.feed import Answered, Asked, Began, Ended, FeedItem, Gap
from redis_mob.frontends.frames import frames_of
from redis_mob.frontends.tracks import OfMember, Track, step_name, text_id, text_of
from redis_mob.models.ask import PendingAsk
from redis_mob.models.progress import ProgressReport, StreamChunk, StreamEnd, StreamReset
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage

PROTOCOL_VERSION = "1.0"

AFTER = "after"
"""The field of the state that says up to where a run was told before it asked."""

Event = dict[str, Any]


def frames(
    storage: MobStorage,
    run_id: str,
    after: int | None = None,
    *,
    thread: str | None = None,
    run: str | None = None,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[bytes]:
    """A run as server-sent events of AG-UI, until it is over or waits for answers alone (contract: progress-8).

    `thread` and `run` are the ids that the front end has given, or that of the run. Raises as `run_feed` before the
    first event; a storage that is lost after that is told as an error of the run.
    """
    return frames_of(storage, run_id, after, AgUiEvents(run_id, thread, run), heartbeat)


class AgUiEvents:
    """Turns what a feed gives into events, in their order. It does no I/O.

    A step is open from the first thing that one of its members tells. What is told in the topic `output` as a text is a
    message; any other chunk is a CUSTOM event of the name of its topic, a report an ACTIVITY_SNAPSHOT.
    """

    last = b""
    """What ends the stream of frames."""

    def __init__(self, run_id: str, thread: str | None = None, run: str | None = None) -> None:
        self._ids = {"threadId": thread or run_id, "runId": run or run_id}
        self._steps: dict[Track, str] = {}
        self._texts: dict[Track, str] = {}

    def of(self, item: FeedItem) -> Iterator[Event]:
        """The events of an item."""
        match item:
            case Began():
                yield {"type": "RUN_STARTED", **self._ids, "protocolVersion": PROTOCOL_VERSION}
            case Gap():
                yield _custom("redis_mob.gap", {"after": item.after, "first": item.first})
            case Asked():
                yield from self._asked(item)
            case Answered():
                answer = None if item.answer is None else item.answer.model_dump(mode="json")
                yield _custom("redis_mob.answered", {"id": item.ask.ask.id, "answer": answer})
            case Ended():
                yield from self._ended(item)
            case _:
                yield from self._told(item)

    def failed(self, reason: str) -> Iterator[Event]:
        """The events that end the stream because it cannot be told further."""
        yield from self._all_closed()
        yield {"type": "RUN_ERROR", "message": reason, "code": "unavailable"}

    def _told(self, entry: OfMember) -> Iterator[Event]:
        track, stamp = Track.of(entry), {"timestamp": round(entry.at.timestamp() * 1000)}
        match entry:
            case StreamReset():
                voided = self._texts.get(track)
                yield from self._text_closed(track)
                yield _custom("redis_mob.reset", {"step": step_name(entry), "messageId": voided}) | stamp
            case ProgressReport():
                yield from self._step_opened(track, entry)
                told = {"step": step_name(entry), "attempt": entry.attempt}
                told |= {"fraction": entry.fraction, "message": entry.message, "data": entry.data}
                yield {
                    "type": "ACTIVITY_SNAPSHOT",
                    "messageId": f"{text_id(entry)}:report",
                    "activityType": "redis_mob.report",
                    "content": {name: value for name, value in told.items() if value is not None},
                } | stamp
            case StreamChunk():
                yield from self._step_opened(track, entry)
                yield from (event | stamp for event in self._chunk(track, entry))
            case StreamEnd():
                yield from self._text_closed(track)
                if not entry.succeeded:
                    yield _custom("redis_mob.attempt_failed", {"step": step_name(entry)}) | stamp
                yield from self._step_closed(track)

    def _chunk(self, track: Track, entry: StreamChunk) -> Iterator[Event]:
        if entry.lost:
            yield _custom("redis_mob.lost", {"step": step_name(entry), "chunks": entry.lost})
        if (text := text_of(entry)) is None:
            yield _custom(entry.topic, entry.value)
            return
        message_id = text_id(entry)
        if self._texts.get(track) != message_id:
            self._texts[track] = message_id
            yield {
                "type": "TEXT_MESSAGE_START",
                "messageId": message_id,
                "role": "assistant",
                "name": step_name(entry),
            }
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": text}

    def _asked(self, asked: Asked) -> Iterator[Event]:
        interrupts = [_interrupt(one) for one in asked.asks]
        if not asked.waits:
            yield _custom("redis_mob.asked", interrupts)
            return
        yield from self._all_closed()
        yield {"type": "STATE_SNAPSHOT", "snapshot": {AFTER: asked.after}}
        yield {"type": "RUN_FINISHED", **self._ids, "outcome": {"type": "interrupt", "interrupts": interrupts}}

    def _ended(self, ended: Ended) -> Iterator[Event]:
        yield from self._all_closed()
        if ended.status is MobRunStatus.FAILED:
            yield {"type": "RUN_ERROR", "message": ended.reason or "the run has failed", "code": str(ended.status)}
            return
        outcome = "cancelled" if ended.status is MobRunStatus.CANCELED else "success"
        yield {"type": "RUN_FINISHED", **self._ids, "outcome": {"type": outcome}}

    def _step_opened(self, track: Track, entry: OfMember) -> Iterator[Event]:
        if track not in self._steps:
            name = step_name(entry)
            if name not in self._steps.values():  # the same step may be at work in two frames
                yield {"type": "STEP_STARTED", "stepName": name}
            self._steps[track] = name

    def _step_closed(self, track: Track) -> Iterator[Event]:
        name = self._steps.pop(track, None)
        if name is not None and name not in self._steps.values():
            yield {"type": "STEP_FINISHED", "stepName": name}

    def _text_closed(self, track: Track) -> Iterator[Event]:
        if (message_id := self._texts.pop(track, None)) is not None:
            yield {"type": "TEXT_MESSAGE_END", "messageId": message_id}

    def _all_closed(self) -> Iterator[Event]:
        """No message and no step may be open when the run ends."""
        for track in list(self._texts):
            yield from self._text_closed(track)
        for track in list(self._steps):
            yield from self._step_closed(track)


def answers_in(body: Any) -> list[FrontEndAnswer]:
    """The answers in a `RunAgentInput`, whose `resume` has an entry for each interrupt.

    The payload of one is `{"approved": ..., "value": ..., "message": ...}`, as its response schema says; one that was
    cancelled is denied. Raises ValidationError for what is no such input.
    """
    found: list[FrontEndAnswer] = []
    for entry in list_of("resume", object_of("the input", body).get("resume")):
        given = object_of("an entry of resume", entry)
        if given.get("status") == "cancelled":
            found.append(answer_of_value(given.get("interruptId"), {"approved": False}))
        else:
            found.append(answer_of_value(given.get("interruptId"), given.get("payload")))
    return found


def after_in(body: Any) -> int | None:
    """The offset after which the run goes on, from the state of a `RunAgentInput`; None if it has none."""
    return offset_in(object_of("the input", body).get("state"), AFTER)


def _custom(name: str, value: Any) -> Event:
    return {"type": "CUSTOM", "name": name, "value": value}


def _interrupt(pending: PendingAsk) -> Event:
    ask = pending.ask
    interrupt: Event = {
        "id": ask.id,
        "reason": "input_required",
        "message": ask.kind,
        "responseSchema": {
            "type": "object",
            "properties": {
                "approved": {"type": "boolean"},
                "value": ask.value_schema if ask.value_schema is not None else {},
                "message": {"type": "string"},
            },
            "required": ["approved"],
        },
        "metadata": {"step": pending.step_id, "member": pending.target, "kind": ask.kind, "payload": ask.payload},
    }
    return interrupt if ask.until is None else interrupt | {"expiresAt": ask.until.isoformat()}
