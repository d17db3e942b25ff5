"""Front ends follow a run of a real fleet: what its handlers tell, what they ask, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob.errors import NotFoundError, ReadFailedError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.frontends import ag_ui, ai_sdk
from redis_mob.frontends.answers import give_answers
from redis_mob.frontends.feed import MOST_REASON_BYTES, Answered, Asked, Ended, FeedItem, Gap, run_feed
from redis_mob.models.progress import StreamChunk
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.asking import answer, asked
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work
from tests.frontends.test_adapters import check

ONE = mob({"a": step()})
TWO = mob({"a": step(), "b": step()})


async def items_of(storage: MobStorage, run_id: str, after: int | None = None) -> list[FeedItem]:
    """All that a feed gives."""
    async with asyncio.timeout(LONG), run_feed(storage, run_id, after) as items:
        return [item async for item in items]


async def events_of(frames: AsyncIterator[bytes], protocol: str) -> list[dict[str, Any]]:
    """The events in frames, which fit the schema of their protocol."""
    async with asyncio.timeout(LONG):
        whole = b"".join([frame async for frame in frames]).decode()
    found = [json.loads(one.removeprefix("data: ")) for one in whole.split("\n\n") if one and "[DONE]" not in one]
    for event in found:
        check(protocol, event)
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def asks(ctx: StepContext) -> str:
    await ctx.stream("May I?")
    answered = await ctx.ask("send", {"to": "ann"})
    await ctx.stream(f" {answered.approved}")
    return "sent"


async def start(storage: MobStorage, handler: Any, definition: Any = ONE) -> str:
    return await Fleet(storage, definition, {"*": handler}).start(FLOW)


async def test_a_feed_ends_where_the_run_waits_for_people_and_another_one_goes_on(storage: MobStorage) -> None:
    run_id = await start(storage, asks)
    async with at_work(storage, {"*": asks}):
        first = await items_of(storage, run_id)
        assert isinstance(first[-1], Asked)
        assert first[-1].waits
        assert [item.value for item in first if isinstance(item, StreamChunk)] == ["May I?"]
        [pending] = first[-1].asks
        assert await FleetAdmin(storage).answer(pending.ask.id)
        rest = await items_of(storage, run_id, first[-1].after)
    assert [item.value for item in rest if isinstance(item, StreamChunk)] == ["May I?", " True"]
    assert isinstance(rest[-1], Ended)
    assert rest[-1].status is MobRunStatus.COMPLETED


async def test_what_goes_on_beside_an_ask_is_told_and_so_is_the_answer(storage: MobStorage) -> None:
    go_on = asyncio.Event()

    async def beside(ctx: StepContext) -> str:
        if ctx.step_id == "a":
            return await asks(ctx)
        await go_on.wait()
        return "done"

    run_id = await start(storage, beside, TWO)
    seen: list[FeedItem] = []
    async with asyncio.timeout(LONG), at_work(storage, {"*": beside}), run_feed(storage, run_id) as items:
        async for item in items:
            seen.append(item)
            if isinstance(item, Asked):
                assert not item.waits
                await answer(storage, "send", approved=False, message="no")
            if isinstance(item, Answered):
                go_on.set()
    [said] = [item for item in seen if isinstance(item, Answered)]
    assert said.answer is not None
    assert (said.answer.approved, said.answer.message) == (False, "no")
    assert isinstance(seen[-1], Ended)


async def test_both_protocols_tell_a_run_that_asks_and_take_the_answer(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    async with at_work(storage, {"*": asks}):
        run_id = await start(storage, asks)
        events = await events_of(ag_ui.frames(storage, run_id), "ag_ui")
        [interrupt] = events[-1]["outcome"]["interrupts"]
        body: dict[str, Any] = {
            "state": events[-2]["snapshot"],
            "resume": [{"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}],
        }
        await give_answers(admin, run_id, ag_ui.answers_in(body), by="ann")
        events = await events_of(ag_ui.frames(storage, run_id, ag_ui.after_in(body)), "ag_ui")
        assert events[-1]["outcome"] == {"type": "success"}

        run_id = await start(storage, asks)
        chunks = await events_of(ai_sdk.frames(storage, run_id), "ai_sdk")
        approval = next(one for one in chunks if one["type"] == "tool-approval-request")
        assert kinds(chunks)[-2:] == ["finish-step", "finish"]
        part = {"state": "approval-responded", "approval": {"id": approval["approvalId"], "approved": True}}
        messages = [{"role": "user"}, {"metadata": chunks[-1]["messageMetadata"], "parts": [{"type": "text"}, part]}]
        await give_answers(admin, run_id, ai_sdk.answers_in({"messages": messages}))
        chunks = await events_of(ai_sdk.frames(storage, run_id, ai_sdk.after_in({"messages": messages})), "ai_sdk")
        assert chunks[-1]["finishReason"] == "stop"
        assert "".join(one["delta"] for one in chunks if one["type"] == "text-delta") == "May I? True"


async def test_a_failure_is_told_with_a_reason_of_a_bounded_length(storage: MobStorage) -> None:
    async def fails(_ctx: StepContext) -> None:
        raise StepFailed("fire " * 2_000, retryable=False)

    run_id = await start(storage, fails)
    async with at_work(storage, {"*": fails}):
        [*_, error] = await events_of(ag_ui.frames(storage, run_id), "ag_ui")
        [*_, text, _, finish] = await events_of(ai_sdk.frames(storage, run_id), "ai_sdk")
    assert (error["type"], text["type"], finish["finishReason"]) == ("RUN_ERROR", "error", "error")
    for reason in (error["message"], text["errorText"]):
        assert "fire" in reason
        assert len(reason.encode()) <= MOST_REASON_BYTES


async def test_a_run_that_is_canceled_while_it_asks_ends_the_feed(storage: MobStorage) -> None:
    run_id = await start(storage, asks)
    async with at_work(storage, {"*": asks}):
        await asked(storage)
        assert await FleetAdmin(storage).cancel(run_id, wait=True)
    events = await events_of(ag_ui.frames(storage, run_id), "ag_ui")
    assert events[-1]["outcome"] == {"type": "cancelled"}
    assert kinds(await events_of(ai_sdk.frames(storage, run_id), "ai_sdk"))[-1] == "abort"


async def test_entries_that_are_gone_are_told(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await start(storage, asks)
    async with at_work(storage, {"*": asks}):
        await answer(storage, "send")
        whole = await items_of(storage, run_id)
    read_after = storage.progress.read_after

    async def without_the_second(run: str, after: int, limit: int) -> Any:
        page = await read_after(run, after, limit)
        return page._replace(entries=tuple(one for one in page.entries if one.offset != 2))

    monkeypatch.setattr(storage.progress, "read_after", without_the_second)
    rest = await items_of(storage, run_id, 1)
    assert rest[1] == Gap(1, 3)
    assert rest[-1] == whole[-1]


async def test_an_unknown_run_and_offset_are_refused_before_the_first_frame(storage: MobStorage) -> None:
    with pytest.raises(NotFoundError):
        await anext(ag_ui.frames(storage, "11111111-2222-3333-4444-555555555555"))
    run_id = await start(storage, asks)
    with pytest.raises(ValidationError, match="never told"):
        await anext(ai_sdk.frames(storage, run_id, 7))


@pytest.mark.parametrize(("protocol", "last"), [("ag_ui", "RUN_ERROR"), ("ai_sdk", "finish")])
async def test_a_storage_that_is_lost_is_told(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, protocol: str, last: str
) -> None:
    run_id = await start(storage, asks)

    async def lost(_run_id: str) -> None:
        raise ReadFailedError("the storage is away")

    monkeypatch.setattr(storage.executions, "load", lost)
    frames = (ag_ui if protocol == "ag_ui" else ai_sdk).frames(storage, run_id)
    events = await events_of(frames, protocol)
    assert events[-1]["type"] == last
    assert "the storage is away" in json.dumps(events)


async def test_a_silent_connection_gets_comments(storage: MobStorage) -> None:
    run_id = await start(storage, asks)
    frames = ag_ui.frames(storage, run_id, heartbeat=0.01)
    assert b"RUN_STARTED" in await anext(frames)
    assert (await anext(frames)).startswith(b":")
    await frames.aclose()


def approval(given: Any) -> dict[str, Any]:
    """The body of a request that holds an approval."""
    return {"messages": [{"parts": [{"state": "approval-responded", "approval": given}]}]}


def resumed(ask_id: Any, payload: Any) -> dict[str, Any]:
    """An input that answers an interrupt."""
    return {"resume": [{"interruptId": ask_id, "status": "resolved", "payload": payload}]}


WRONG: list[Any] = [
    None,
    [],
    {"messages": 1, "resume": 1},
    {"messages": [1], "resume": [1]},
    approval(None),
    approval({}),
    approval({"id": 1, "approved": True}),
    resumed(1, {}),
    resumed("a", None),
    resumed("a", {}),
    resumed("a", {"approved": True, "message": 1}),
]


@pytest.mark.parametrize("body", WRONG)
def test_what_a_browser_must_not_send_is_refused(body: Any) -> None:
    read = ai_sdk.answers_in if isinstance(body, dict) and "resume" not in body else ag_ui.answers_in
    with pytest.raises(ValidationError):
        read(body)


def test_an_interrupt_that_was_canceled_is_denied() -> None:
    [given] = ag_ui.answers_in({"resume": [{"interruptId": "a", "status": "cancelled"}]})
    assert (given.ask_id, given.approved) == ("a", False)
    assert ag_ui.answers_in({}) == []
    assert ai_sdk.answers_in({}) == []
    assert ag_ui.after_in({"state": {"after": -1}}) is None
    assert ag_ui.after_in({"state": {"after": True}}) is None
    assert ai_sdk.after_in({}) is None
