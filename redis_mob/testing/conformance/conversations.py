"""Conversations: one run at a time, in the order of their starts, and a history that each of them appends to once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from redis_mob.contracts import ConversationStore, ExecutionStore
from redis_mob.errors import CasConflictError, ConversationBusyError, NotFoundError, ValidationError
from redis_mob.models import MobDefinition, MobRunStatus
from redis_mob.models.conversation import ChangeKind, Conversation
from redis_mob.models.execution import ExecutionKey
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import ONE_STEP, DrivenRun, keys_of, pending

HOUR = timedelta(hours=1)
OTHER = ONE_STEP.model_copy(update={"id": "other"})


class Talk(NamedTuple):
    """The stores of one handle, and a conversation."""

    conversations: ConversationStore
    executions: ExecutionStore
    conversation: Conversation = Conversation("c")

    async def start(self, definition: MobDefinition = ONE_STEP, run_id: str | None = None, **options: Any) -> DrivenRun:
        """Start a run, whichever is active."""
        run, launch = pending(definition, 1, run_id=run_id)
        await self.conversations.start(run, launch, definition, conversation=self.conversation, **options)
        return DrivenRun(self.executions, definition, run.run_id)

    async def under_way(self) -> list[str]:
        """The runs that are not over, the active one first."""
        record = await self.conversations.find(self.conversation.id)
        return [] if record is None or record.active is None else [record.active, *record.waiting]

    async def due(self) -> tuple[str, ...]:
        """The runs that are due, which a worker has in hand after that."""
        return (await self.executions.take_due(max_runs=10, max_executions=0, keep=HOUR)).runs

    async def values(self) -> list[Any]:
        """The history."""
        return [item.value for item in await self.conversations.history(self.conversation.id)]

    async def change(
        self, run: DrivenRun, number: int, *items: Any, kind: ChangeKind = "append", after: str = ""
    ) -> tuple[Any, ...] | None:
        """Change the history, as the handler of the only step of a run."""
        key, execution = await held(run)
        change = self.conversations.change
        return await change(run.run_id, key, execution, self.conversation.id, number, kind, items, after=after)


async def held(run: DrivenRun) -> tuple[ExecutionKey, Any]:
    """The only execution of a run, as it is now."""
    [(key, execution)] = (await run.view()).executions.items()
    return key, execution


async def begun(run: DrivenRun) -> DrivenRun:
    """The same run, once its only execution is claimed."""
    await run.advance()
    await run.claim(*keys_of(await run.view()))
    return run


async def end(run: DrivenRun) -> None:
    """Cancel a run, and carry that out."""
    await run.executions.request_cancel(run.run_id)
    await run.advance()


class _OfConversations(Guarantee):
    @pytest.fixture
    def talk(self, conversations: ConversationStore, executions: ExecutionStore) -> Talk:
        return Talk(conversations, executions)


class TestConversations(_OfConversations):
    """Of the runs of a conversation one is active at a time, in the order in which they were started."""

    async def test_one_run_is_active_and_the_others_wait(self, talk: Talk) -> None:
        first, second, third = [await talk.start() for _ in range(3)]
        assert await talk.under_way() == [first.run_id, second.run_id, third.run_id]
        assert await talk.due() == (first.run_id,)
        assert (await first.view()).turn == ("c", False)
        assert (await second.view()).turn == ("c", True)
        assert not await talk.conversations.take_turn(second.run_id)
        record = await talk.conversations.find("c")
        assert record is not None
        assert (record.mob_id, record.flow_id, record.runs, record.expires_in_ms) == ("mob", "flow", 3, None)

    async def test_the_end_of_one_makes_the_next_one_due(self, talk: Talk) -> None:
        runs = [await talk.start() for _ in range(3)]
        for number, run in enumerate(runs):
            assert await talk.due() == (run.run_id,)
            launched = (await run.view()).launched_at
            assert await talk.conversations.take_turn(run.run_id)
            view = await run.view()
            assert view.turn == ("c", False)
            assert (view.launched_at > launched) is (number > 0)
            await begun(run)
            await run.settle(*keys_of(await run.view()))
            assert (await run.view()).run.status is MobRunStatus.COMPLETED
        assert await talk.under_way() == []
        assert await talk.due() == ()

    async def test_one_that_ends_while_it_waits_wakes_none(self, talk: Talk) -> None:
        first, second, third = [await talk.start() for _ in range(3)]
        await end(second)
        assert await talk.under_way() == [first.run_id, third.run_id]
        assert await talk.due() == (first.run_id,)
        await end(first)
        assert await talk.due() == (third.run_id,)

    async def test_other_conversations_are_apart(self, talk: Talk) -> None:
        for name in ("a", "é\n\0", "c" * 256):
            other = talk._replace(conversation=Conversation(name))
            run = await other.start()
            assert await other.under_way() == [run.run_id]
            assert (await run.view()).turn == (name, False)
        assert set(await talk.conversations.page()) == {"a", "é\n\0", "c" * 256}

    async def test_a_busy_one_may_be_refused(self, talk: Talk) -> None:
        first = await talk.start(rejects=True)
        with pytest.raises(ConversationBusyError) as raised:
            await talk.start(rejects=True)
        assert (raised.value.run_id, raised.value.conversation) == (first.run_id, "c")
        assert await talk.under_way() == [first.run_id]
        await end(first)
        await talk.start(rejects=True)

    async def test_another_flow_is_refused_by_name(self, talk: Talk) -> None:
        first = await talk.start()
        with pytest.raises(
            ValidationError, match="belongs to flow 'flow' of mob 'mob', not to flow 'flow' of mob 'oth"
        ):
            await talk.start(OTHER)
        await end(first)
        with pytest.raises(ValidationError, match="belongs to flow"):
            await talk.start(OTHER)
        assert await talk.conversations.delete("c")
        await talk.start(OTHER)

    async def test_a_run_that_exists_is_left_as_it_is(self, talk: Talk) -> None:
        first, run_id = await talk.start(), str(uuid4())
        await talk.start(run_id=run_id)
        run, launch = pending(ONE_STEP, run_id=run_id)
        again = await talk.conversations.start(run, launch, ONE_STEP, conversation=talk.conversation)
        assert again == (True, (first.run_id,))
        assert len(await talk.under_way()) == 2
        with pytest.raises(ValidationError, match="not in conversation 'other'"):
            await talk.conversations.start(run, launch, ONE_STEP, conversation=Conversation("other"))
        await end(DrivenRun(talk.executions, ONE_STEP, run_id))
        assert await talk.conversations.start(run, launch, ONE_STEP, conversation=talk.conversation) == (False, ())

    async def test_many_starts_at_once_stand_in_one_order(self, open_stores: Opener) -> None:
        opened = [await open_stores() for _ in range(3)]
        talks = [Talk(given("conversations", one.conversations), given("executions", one.executions)) for one in opened]
        runs = await asyncio.gather(*(talk.start() for _ in range(3) for talk in talks))
        ended = 0
        while under_way := await talks[0].under_way():
            assert await talks[1].due() == (under_way[0],)
            assert [one for one in under_way if await talks[2].conversations.take_turn(one)] == under_way[:1]
            await end(DrivenRun(talks[0].executions, ONE_STEP, under_way[0]))
            ended += 1
        assert ended == len(runs)

    async def test_a_later_run_may_take_the_place_of_one(self, talk: Talk) -> None:
        first, second = await talk.start(), await talk.start()
        assert await talk.conversations.supersede(first.run_id)
        assert (await first.view()).cancel_requested
        await first.advance()
        assert not await talk.conversations.supersede(first.run_id)
        assert await talk.under_way() == [second.run_id]
        with pytest.raises(NotFoundError):
            await talk.conversations.supersede(str(uuid4()))
        with pytest.raises(NotFoundError):
            await talk.conversations.take_turn(str(uuid4()))

    async def test_what_else_ends_a_run_is_made_good(self, stores: Any, talk: Talk) -> None:
        first, second = await talk.start(), await talk.start()
        assert not await talk.conversations.release(first.run_id, "c")
        assert await stores.runs.cas_run_status(first.run_id, expected=MobRunStatus.PENDING, next=MobRunStatus.FAILED)
        assert await talk.under_way() == [first.run_id, second.run_id]
        assert await talk.conversations.release(first.run_id, "c")
        assert await talk.conversations.release(first.run_id, "c")
        assert await talk.under_way() == [second.run_id]
        assert second.run_id in await talk.due()


class TestConversationHistories(_OfConversations):
    """The history of a conversation has what each execution appended once, in order, within its bounds."""

    async def test_items_are_any_json(self, talk: Talk) -> None:
        run, items = await begun(await talk.start()), [{"role": "user", "é": [1, None]}, None, "text", 2**70, -0.5]
        assert await talk.change(run, 0, *items) == ()
        assert await talk.values() == items
        stored = await talk.conversations.history("c")
        assert [one.number for one in stored] == [1, 2, 3, 4, 5]
        assert {(one.run_id, one.key, one.change) for one in stored} == {(run.run_id, (await held(run))[0], 0)}
        record = await talk.conversations.find("c")
        assert record is not None
        assert record.items == 5
        assert record.bytes > 0

    async def test_the_same_change_is_made_once(self, talk: Talk) -> None:
        run = await begun(await talk.start())
        for _ in range(3):
            assert await talk.change(run, 0, "a", "b") == ()
            assert await talk.change(run, 1, "c") == ()
            assert await talk.change(run, 2, kind="pop") == ("c",)
        assert await talk.values() == ["a", "b"]

    async def test_another_change_takes_back_what_followed(self, talk: Talk) -> None:
        await talk.conversations.edit(talk.conversation, "append", ["before"])
        run = await begun(await talk.start())
        for number, item in enumerate("abc"):
            await talk.change(run, number, item)
        await talk.conversations.edit(talk.conversation, "append", ["beside"])
        await talk.change(run, 1, "other")
        assert await talk.values() == ["before", "a", "beside", "other"]
        for _ in range(2):
            await talk.change(run, 2, "c", after="other")
        assert await talk.values() == ["before", "a", "beside", "other", "c"]

    async def test_who_lost_the_execution_changes_nothing(self, talk: Talk) -> None:
        run = await begun(await talk.start())
        key, execution = await held(run)
        older = execution.model_copy(update={"fencing_token": 0})
        changed = await talk.conversations.change(run.run_id, key, older, "c", 0, "append", ["a"])
        assert changed is None
        await run.settle(key)
        assert await talk.conversations.change(run.run_id, key, execution, "c", 0, "append", ["a"]) is None
        assert await talk.values() == []
        with pytest.raises(NotFoundError):
            await talk.conversations.change(str(uuid4()), key, execution, "c", 0, "append", ["a"])

    async def test_the_oldest_items_go(self, talk: Talk) -> None:
        few = talk._replace(conversation=Conversation("few", max_items=3))
        await few.conversations.edit(few.conversation, "append", list(range(250)))
        assert await few.values() == [247, 248, 249]
        await few.conversations.edit(Conversation("few"), "append", [250])
        assert await few.values() == [248, 249, 250]
        short = talk._replace(conversation=Conversation("short", max_bytes=10))
        await short.conversations.edit(short.conversation, "append", ["1234", "5678", "9"])
        assert await short.values() == ["5678", "9"]
        with pytest.raises(ValidationError, match="longer than the whole history"):
            await short.conversations.edit(Conversation("short"), "append", ["1", "123456789"])
        assert await short.values() == ["5678", "9"]

    async def test_bounds_that_are_given_hold_for_what_is_appended_with_them(self, talk: Talk) -> None:
        await talk.conversations.edit(Conversation("c", max_bytes=10), "append", ["1234"])
        await talk.conversations.edit(Conversation("c", max_bytes=100), "append", ["x" * 50])
        assert await talk.values() == ["1234", "x" * 50]
        with pytest.raises(ValidationError, match="longer than the whole history"):
            await talk.conversations.edit(Conversation("c", max_bytes=20), "append", ["y" * 50])
        assert await talk.values() == ["1234", "x" * 50]
        record = await talk.conversations.find("c")
        assert record is not None
        assert record.max_bytes == 100

    async def test_parts_of_it_are_read(self, talk: Talk) -> None:
        await talk.conversations.edit(talk.conversation, "append", list(range(250)))
        newest = await talk.conversations.history("c", limit=220)
        assert [one.value for one in newest] == list(range(30, 250))
        older = await talk.conversations.history("c", limit=1000, before=newest[0].number)
        assert [one.value for one in older] == list(range(30))
        assert await talk.conversations.history("c", limit=0) == []
        assert await talk.conversations.history("unknown") == []

    async def test_it_is_changed_from_outside_each_time(self, talk: Talk) -> None:
        for _ in range(2):
            assert await talk.conversations.edit(talk.conversation, "append", ["a"]) == ()
        assert await talk.values() == ["a", "a"]
        assert await talk.conversations.edit(talk.conversation, "pop") == ("a",)
        assert await talk.conversations.edit(talk.conversation, "clear") == ()
        assert await talk.conversations.edit(talk.conversation, "pop") == ()
        record = await talk.conversations.find("c")
        assert record is not None
        assert (record.items, record.bytes, record.flow_id) == (0, 0, None)

    async def test_a_rollback_takes_back_what_a_run_appended(self, talk: Talk) -> None:
        await talk.conversations.edit(talk.conversation, "append", ["before"])
        first = await begun(await talk.start())
        await talk.change(first, 0, "a", "b")
        await talk.conversations.edit(talk.conversation, "append", ["beside"])
        second = await talk.start()
        assert await talk.conversations.supersede(first.run_id, rolls_back=True)
        assert await talk.values() == ["before", "a", "b", "beside"]
        await first.advance()
        assert await talk.values() == ["before", "beside"]
        assert await talk.under_way() == [second.run_id]

    async def test_it_expires_after_the_last_activity_and_not_while_a_run_is_under_way(self, talk: Talk) -> None:
        brief = talk._replace(conversation=Conversation("brief", keep=timedelta(milliseconds=1)))
        await brief.conversations.edit(brief.conversation, "append", ["a"])
        await _gone(brief)
        run = await begun(await brief.start())
        await brief.change(run, 0, "b")
        await asyncio.sleep(0.005)
        assert await brief.values() == ["b"]
        await end(run)
        await _gone(brief)
        kept = talk._replace(conversation=Conversation("kept", keep=HOUR))
        await end(await kept.start())
        record = await kept.conversations.find("kept")
        assert record is not None
        assert record.expires_in_ms is not None
        assert record.keep_ms == 3_600_000
        assert 0 < record.expires_in_ms <= record.keep_ms
        assert list(await talk.conversations.page(limit=1)) == ["kept"]

    async def test_it_is_deleted_when_no_run_is_under_way(self, talk: Talk) -> None:
        assert not await talk.conversations.delete("c")
        run = await begun(await talk.start())
        await talk.change(run, 0, "a")
        with pytest.raises(CasConflictError, match=run.run_id):
            await talk.conversations.delete("c")
        await end(run)
        assert await talk.conversations.delete("c")
        assert not await talk.conversations.delete("c")
        assert await talk.conversations.find("c") is None
        assert await talk.values() == []
        assert list(await talk.conversations.page()) == []

    @pytest.mark.parametrize(
        ("conversation", "kind", "items", "told"),
        [
            (Conversation(""), "append", [], "1 to 256 bytes"),
            (Conversation("c" * 257), "append", [], "1 to 256 bytes"),
            (Conversation("\ud800"), "append", [], "without lone surrogates"),
            (Conversation("c", keep=timedelta()), "append", [], "keep must be at least a millisecond"),
            (Conversation("c", max_items=0), "append", [], "max_items must be"),
            (Conversation("c", max_items=10_001), "append", [], "max_items must be from 1 to 10,000"),
            (Conversation("c", max_bytes=2**25), "append", [], "max_bytes must be from 1"),
            (Conversation("c"), "drop", [], "kind must be append, pop or clear, not 'drop'"),
            (Conversation("c"), "append", "text", "items must be a list"),
            (Conversation("c"), "append", [0] * 1001, "may be 1,000 in one call, not 1,001"),
            (Conversation("c"), "append", [0, {1}], r"items\[1\] is refused"),
            (Conversation("c"), "append", [float("nan")], r"items\[0\] is refused"),
            (Conversation("c"), "pop", [1], "pop takes no items"),
        ],
    )
    async def test_bad_input_is_refused(
        self, talk: Talk, conversation: Any, kind: Any, items: Sequence[Any], told: str
    ) -> None:
        with pytest.raises(ValidationError, match=told):
            await talk.conversations.edit(conversation, kind, items)
        assert list(await talk.conversations.page()) == []


async def _gone(talk: Talk) -> None:
    """Return when the conversation has expired."""
    while await talk.conversations.find(talk.conversation.id) is not None:  # noqa: ASYNC110 - it has to look
        await asyncio.sleep(0.001)
    assert await talk.values() == []
