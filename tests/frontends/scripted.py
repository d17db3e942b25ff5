"""Items of a feed, and the frames that were recorded of them.

`python -m tests.frontends.scripted` records them anew.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis_mob.frontends.ag_ui import AgUiEvents
from redis_mob.frontends.ai_sdk import AiSdkChunks
from redis_mob.frontends.feed import Answered, Asked, Began, Ended, FeedItem, Gap
from redis_mob.frontends.frames import Adapter
from redis_mob.models.ask import Answer, Ask, PendingAsk
from redis_mob.models.progress import ProgressReport, StreamChunk, StreamEnd, StreamReset
from redis_mob.models.run_status import MobRunStatus

DATA = Path(__file__).parent.parent / "data" / "frontends"
RUN = "11111111-2222-3333-4444-555555555555"
AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def source(offset: int, member: str = "writer-1", token: int = 1, step: str = "draft") -> dict[str, Any]:
    """The fields of an entry that say who has told it."""
    return {
        "offset": offset,
        "at": AT + timedelta(seconds=offset),
        "step_id": step,
        "node_id": f"node-{step}",
        "frame_id": "root",
        "iteration": None,
        "member": member,
        "attempt": token,
        "fencing_token": token,
    }


def ask(number: int, **fields: Any) -> PendingAsk:
    """An ask that is pending."""
    return PendingAsk(
        run_id=RUN,
        mob_id="mob",
        flow_id="flow",
        step_id="send",
        frame_id="root",
        node_id="node-send",
        target="sender-1",
        ask=Ask(id=f"{number:016x}", kind="send", digest="d", payload={"to": "ann"}, asked_at=AT, **fields),
    )


FIRST = ask(1, value_schema={"type": "object"}, until=AT + timedelta(hours=1))
SECOND, THIRD = ask(2), ask(3)

CHAT: tuple[FeedItem, ...] = (
    Began(RUN),
    ProgressReport(**source(1), fraction=0.5, message="half", data={"n": 1}),
    StreamChunk(**source(2), topic="output", number=0, lost=0, value="Hel"),
    StreamChunk(**source(3), topic="output", number=1, lost=0, value="lo"),
    StreamChunk(**source(4, "writer-2"), topic="output", number=0, lost=0, value="Other"),
    StreamChunk(**source(5), topic="output", number=2, lost=0, value={"not": "a text"}),
    StreamChunk(**source(6), topic="sources", number=0, lost=0, value="a page"),
    StreamReset(**source(7, token=2)),
    StreamChunk(**source(8, token=2), topic="output", number=0, lost=3, value="Again"),
    StreamEnd(**source(9, token=2), succeeded=True),
    StreamEnd(**source(10, "writer-2"), succeeded=False),
    Gap(10, 20),
    Asked((FIRST, SECOND, THIRD), waits=False, after=20),
    Answered(FIRST, Answer(approved=True, value={"to": "bob"}, edited=True, by="carol")),
    Answered(SECOND, Answer(approved=False, message="no")),
    Answered(THIRD, None),
    Ended(MobRunStatus.COMPLETED, None, 21),
)
WAITS: tuple[FeedItem, ...] = (
    Began(RUN),
    StreamChunk(**source(1), topic="output", number=0, lost=0, value="May I?"),
    Asked((FIRST, SECOND), waits=True, after=1),
)
FAILED: tuple[FeedItem, ...] = (
    Began(RUN),
    StreamChunk(**source(1), topic="output", number=0, lost=0, value="Oh"),
    Ended(MobRunStatus.FAILED, "the printer is on fire", 1),
)
CANCELED: tuple[FeedItem, ...] = (Began(RUN), Ended(MobRunStatus.CANCELED, None, 0))

FEEDS = {"chat": CHAT, "waits": WAITS, "failed": FAILED, "canceled": CANCELED}


def adapters() -> dict[str, Adapter]:
    """An adapter of each protocol."""
    return {"ag_ui": AgUiEvents(RUN, "thread-1", "run-1"), "ai_sdk": AiSdkChunks(RUN)}


def events_of(protocol: str, feed: str) -> list[dict[str, Any]]:
    """What an adapter makes of a feed."""
    adapter = adapters()[protocol]
    return [event for item in FEEDS[feed] for event in adapter.of(item)]


def recorded(protocol: str, feed: str) -> Path:
    """Where the frames of a feed are kept."""
    return DATA / f"{protocol}_{feed}.jsonl"


def record() -> None:
    """Write the frames of all feeds."""
    for protocol in adapters():
        for feed in FEEDS:
            lines = (json.dumps(event, sort_keys=True) + "\n" for event in events_of(protocol, feed))
            recorded(protocol, feed).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    record()
