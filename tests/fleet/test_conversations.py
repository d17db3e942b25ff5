"""Conversations driven by workers: one run at a time, and a history with what each handler said, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from redis_mob.errors import CasConflictError, ConversationBusyError, NotFoundError, ValidationError
from redis_mob.fleet.conversation import HandlerConversation, KeptHistory
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.conversation import Conversation
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import step_context
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, step

ONE = mob({"a": step()}, limits={"max_step_retries": 3})
TALKS: dict[str, Any] = {"conversation": "c"}


async def says(ctx: StepContext) -> Any:
    """Append the parameter, and give the history."""
    await ctx.conversation.append({"role": "user", "content": ctx.params})
    return await ctx.conversation.history()


def said(*texts: Any) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


async def values(storage: MobStorage, conversation: str = "c") -> list[Any]:
    return [one.value for one in await FleetAdmin(storage).conversation_history(conversation)]


async def statuses(storage: MobStorage, runs: list[str]) -> list[str]:
    return [str((await Fleet(storage, ONE).wait(run, LONG)).status) for run in runs]


@pytest.fixture
def fleet(storage: MobStorage) -> Fleet:
    return Fleet(storage, ONE, {"*": says})


async def test_runs_follow_each_other_and_find_what_was_said(storage: MobStorage, fleet: Fleet) -> None:
    runs = [await fleet.start(FLOW, number, **TALKS) for number in range(4)]
    await fleet.work(until_idle=True)
    ended = [await fleet.wait(run, LONG) for run in runs]
    assert [run.root_step_outputs["a"]["worker-1"] for run in ended] == [said(*range(n + 1)) for n in range(4)]
    assert all(one.completed_at <= other.completed_at for one, other in pairwise(ended))  # type: ignore[operator]
    assert await values(storage) == said(*range(4))
    record = await FleetAdmin(storage).conversation("c")
    assert (record.active, record.runs, record.items, record.flow_id) == (None, 0, 4, FLOW)


async def test_operators_see_who_waits(storage: MobStorage, fleet: Fleet) -> None:
    admin = FleetAdmin(storage)
    first, second = [await fleet.start(FLOW, number, **TALKS) for number in range(2)]
    shown = await admin.describe(second)
    assert shown.conversation == "c"
    [waits] = [one for one in shown.waits_for if one.kind == "turn"]
    assert waits.text == "its turn in conversation 'c', in which another run is active"
    assert [(run.conversation, run.waits_for_turn) for run in (await admin.runs()).runs] == [("c", True), ("c", False)]
    [record] = await admin.conversations()
    assert (record.active, record.waiting) == (first, (second,))
    with pytest.raises(CasConflictError, match=first):
        await admin.delete_conversation("c")
    for run in (second, first):
        await admin.delete(run, cancel=True)
    await admin.delete_conversation("c")
    assert await admin.conversations() == ()
    with pytest.raises(NotFoundError, match="conversation 'c' does not exist"):
        await admin.conversation("c")
    with pytest.raises(NotFoundError):
        await admin.delete_conversation("c")


async def test_a_busy_conversation_may_be_refused(storage: MobStorage, fleet: Fleet) -> None:
    first = await fleet.start(FLOW, 0, **TALKS, on_busy="reject")
    with pytest.raises(ConversationBusyError, match=f"conversation 'c' is busy: run {first} is under way"):
        await fleet.start(FLOW, 1, **TALKS, on_busy="reject")
    assert len(await storage.runs.list_runs("mob")) == 1
    # a program that knows no conversations
    assert await storage.runs.cas_run_status(first, expected=MobRunStatus.PENDING, next=MobRunStatus.FAILED)
    await fleet.start(FLOW, 1, **TALKS, on_busy="reject")


@pytest.mark.parametrize("end", ["cancel", "terminate", "delete", "fail", "by another program"])
async def test_every_end_gives_the_turn_to_the_next_one(storage: MobStorage, fleet: Fleet, end: str) -> None:
    admin = FleetAdmin(storage)
    first, second = [await fleet.start(FLOW, number, **TALKS) for number in range(2)]
    match end:
        case "cancel":
            await admin.cancel(first)
        case "terminate":
            await admin.terminate(first)
        case "delete":
            await admin.delete(first, cancel=True)
        case "by another program":
            await storage.runs.cas_run_status(first, expected=MobRunStatus.PENDING, next=MobRunStatus.FAILED)
            await admin.conversation("c")
        case _:
            pass

    async def fails(ctx: StepContext) -> Any:
        if ctx.params == 0:
            raise StepFailed("no", retryable=False)
        return await says(ctx)

    await Fleet(storage, ONE, {"*": fails}).work(until_idle=True)
    assert (await fleet.wait(second, LONG)).status is MobRunStatus.COMPLETED
    assert await values(storage) == said(1)


async def test_who_waits_may_be_canceled(storage: MobStorage, fleet: Fleet) -> None:
    runs = [await fleet.start(FLOW, number, **TALKS) for number in range(3)]
    await fleet.cancel(runs[1])
    await fleet.work(until_idle=True)
    assert await statuses(storage, runs) == ["completed", "canceled", "completed"]
    assert await values(storage) == said(0, 2)


@pytest.mark.parametrize(("on_busy", "left"), [("interrupt", said(0, 3)), ("rollback", said(3))])
async def test_a_later_start_takes_the_place_of_all_before_it(
    storage: MobStorage, on_busy: str, left: list[Any]
) -> None:
    reached = asyncio.Event()

    async def hangs(ctx: StepContext) -> Any:
        given = await says(ctx)
        if ctx.params == 0:
            reached.set()
            await asyncio.sleep(3600)
        return given

    fleet = Fleet(storage, ONE, {"*": hangs})
    async with fleet.working():
        runs = [await fleet.start(FLOW, number, **TALKS) for number in range(3)]
        async with asyncio.timeout(LONG):
            await reached.wait()
        runs.append(await fleet.start(FLOW, 3, **TALKS, on_busy=on_busy))
        assert await statuses(storage, runs) == ["canceled", "canceled", "canceled", "completed"]
    assert await values(storage) == left


async def test_an_idempotency_key_gives_the_same_run(storage: MobStorage, fleet: Fleet) -> None:
    first = await fleet.start(FLOW, 0, "zero", **TALKS)
    second = await fleet.start(FLOW, 1, "one", **TALKS)
    assert await fleet.start(FLOW, 1, "one", **TALKS) == second
    assert await fleet.start(FLOW, 0, "zero", **TALKS) == first
    with pytest.raises(ValidationError, match="started with other params"):
        await fleet.start(FLOW, 2, "zero", **TALKS)
    with pytest.raises(ValidationError, match="which is not in conversation 'other'"):
        await fleet.start(FLOW, 0, "zero", conversation="other")
    assert (await FleetAdmin(storage).conversation("c")).runs == 2


async def test_a_retry_appends_nothing_twice_and_sees_what_it_saw(storage: MobStorage) -> None:
    seen: list[list[Any]] = []

    async def retried(ctx: StepContext) -> Any:
        seen.append(await ctx.conversation.history())
        await ctx.conversation.append("question")
        seen.append(await ctx.conversation.history())
        if ctx.attempt == 1:
            await ctx.conversation.append("answer", "more")
            raise StepFailed("no")
        if ctx.attempt == 2:
            await ctx.conversation.append("other answer")
            raise StepFailed("no")
        await ctx.conversation.append("other answer")
        return await ctx.conversation.pop()

    await storage.conversations.edit(Conversation("c"), "append", ["before"])
    fleet = Fleet(storage, mob({"a": step(retry={"backoff_ms": 0})}, limits={"max_step_retries": 3}), {"*": retried})
    run = await fleet.start(FLOW, **TALKS)
    await fleet.work(until_idle=True)
    assert (await fleet.wait(run, LONG)).root_step_outputs["a"] == {"worker-1": "other answer"}
    assert seen == [["before"], ["before", "question"]] * 3
    assert await values(storage) == ["before", "question"]


def plain(ctx: StepContext) -> Any:
    ctx.conversation.call_append(1, 2, 3)
    popped = ctx.conversation.call_pop()
    return [popped, ctx.conversation.call_history(), ctx.conversation.call_history(1)]


@pytest.mark.parametrize("handler", [plain, isolated(isolated_handlers.converses)])
async def test_other_kinds_of_handlers_converse_too(storage: MobStorage, handler: Callable[..., Any]) -> None:
    fleet = Fleet(storage, ONE, {"*": handler})
    run = await fleet.start(FLOW, **TALKS)
    async with fleet.working():
        assert (await fleet.wait(run, LONG)).root_step_outputs["a"] == {"worker-1": [3, [1, 2], [2]]}
    assert await values(storage) == [1, 2]


async def test_a_run_without_a_conversation_says_so(storage: MobStorage, fleet: Fleet) -> None:
    run = await fleet.start(FLOW)
    await fleet.work(until_idle=True)
    [failure] = (await fleet.wait(run, LONG)).failure_ledger[:1]
    assert "has no conversation: start it with one" in failure.reason


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"on_busy": "reject"}, "on_busy needs a conversation"),
        ({"conversation": "c", "on_busy": "wait"}, "on_busy must be one of enqueue, reject, interrupt, rollback"),
        ({"conversation": ""}, "conversation must be a text of 1 to 256 bytes"),
        ({"conversation": 5}, "conversation must be a Conversation"),
        ({"conversation": Conversation("c", max_items=0)}, "max_items must be"),
        ({"conversation": "c", "at": datetime.now(UTC)}, "give at or conversation, not both"),
        (
            {"conversation": "c", "debounce_key": "k", "debounce": timedelta(seconds=1)},
            "give debounce_key or conversation, not both",
        ),
    ],
)
async def test_what_cannot_be_meant_is_refused(storage: MobStorage, fleet: Fleet, given: Any, told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        await fleet.start(FLOW, 0, **given)
    assert told in str(raised.value)
    assert not await storage.runs.list_runs("mob")


async def test_another_flow_is_refused(storage: MobStorage, fleet: Fleet) -> None:
    await fleet.start(FLOW, 0, **TALKS)
    other = Fleet(storage, ONE.model_copy(update={"id": "other"}), {})
    with pytest.raises(ValidationError, match="belongs to flow 'flow' of mob 'mob', not to flow 'flow' of mob 'other'"):
        await other.start(FLOW, 0, **TALKS)


async def test_a_handler_is_tested_without_a_run() -> None:
    history = KeptHistory("before")
    ctx = step_context(params=1, conversation=HandlerConversation("c", history))
    assert await says(ctx) == ["before", *said(1)]
    assert ctx.conversation.id == "c"
    assert await step_context(conversation="c").conversation.history() == []
    with pytest.raises(ValidationError, match="has no conversation"):
        await says(step_context())
