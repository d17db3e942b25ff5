"""What receivers get, and what they answer: at least once, in order for each run."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from redis_mob.models.base import json_equal
from redis_mob.models.events import NewMobEvent
from redis_mob.models.webhook import StoredWebhook
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import until as until_true
from tests.webhooks.receiver import Received, Receiver, Reply, receiving
from tests.webhooks.scenes import SECRET, delivering, event, made, run_number, tell, until


async def stored(storage: MobStorage, name: str = "w") -> StoredWebhook:
    return await FleetAdmin(storage).webhook(name)


async def up_to(storage: MobStorage, cursor: int, name: str = "w") -> None:
    """Wait until all up to a cursor is stored as done with, and no run is held up."""

    async def is_there() -> bool:
        progress = (await stored(storage, name)).progress
        return progress.cursor >= cursor and not progress.held

    await until(is_there)


async def test_an_event_is_posted_as_tail_prints_it_with_a_signature_that_others_verify(storage: MobStorage) -> None:
    await tell(storage, 0)
    with receiving() as receiver:
        await made(storage, receiver.url)
        async with delivering(storage):
            [cursor] = await tell(storage, 1)
            await up_to(storage, cursor)
    [one] = receiver.taken
    assert Verifier(SECRET).verify(one.body, one.headers) == one.event
    assert (one.path, one.headers["content-type"]) == ("/events", "application/json")
    assert one.event["cursor"] == cursor
    assert one.event["kind"] == {"type": "step_completed", "run_id": run_number(1), "step_id": "0"}
    progress = (await stored(storage)).progress
    assert (progress.delivered, progress.cursor) == (1, cursor)


async def test_what_was_deleted_before_it_was_made_is_not_missed(storage: MobStorage) -> None:
    # contract: operations-230
    await tell(storage, 1, 1)
    await storage.events.prune(datetime.now(UTC) + timedelta(hours=1))
    with receiving() as receiver:
        await made(storage, receiver.url)
        async with delivering(storage):
            [cursor] = await tell(storage, 2)
            await up_to(storage, cursor)
    assert [one.cursor for one in receiver.taken] == [cursor]
    assert (await stored(storage)).progress.missed == 0


async def test_each_attempt_has_the_id_of_its_event_and_other_events_have_others(storage: MobStorage) -> None:
    with receiving() as receiver:
        statuses = iter([500, 503, 400])
        receiver.behaviour = lambda _: Reply(next(statuses, 204))
        await made(storage, receiver.url)
        async with delivering(storage):
            cursors = await tell(storage, 1, 1)
            await up_to(storage, cursors[-1])
    assert [one.cursor for one in receiver.received] == [cursors[0]] * 4 + [cursors[1]]
    ids = Counter(one.headers["webhook-id"] for one in receiver.received)
    assert sorted(ids.values()) == [1, 4]


async def test_what_is_filtered_out_is_not_posted(storage: MobStorage) -> None:
    with receiving() as receiver:
        await made(storage, receiver.url, mob="mob", kinds=["step_completed"])
        async with delivering(storage):
            await storage.events.append(event(1, mob="other"))
            [cursor] = await tell(storage, 1)
            await up_to(storage, cursor)
    assert receiver.cursors() == [cursor]


async def test_an_event_of_an_unknown_kind_is_posted_as_it_came(storage: MobStorage) -> None:
    """It is found by its kind and its flow (contract: json-11)."""
    kind = {"type": "mob_exploded", "run_id": run_number(1), "flow_id": "f", "later": {"a": [1, 1.0, None]}}
    unknown = NewMobEvent.model_validate({"mob_id": "mob", "kind": kind, "envelope": {"schema_version": 9}, "more": 1})
    other = NewMobEvent.model_validate({"mob_id": "mob", "kind": {**kind, "flow_id": "g", "run_id": run_number(2)}})
    with receiving() as receiver:
        await made(storage, receiver.url, flow="f", kinds=["mob_exploded"])
        async with delivering(storage):
            await tell(storage, 1)
            cursors = [one.cursor for one in await storage.events.append_batch([unknown, other])]
            await up_to(storage, cursors[-1])
    [one] = receiver.taken
    assert json_equal(one.event["kind"], kind)
    assert (one.cursor, one.event["envelope"], one.event["more"]) == (cursors[0], {"schema_version": 9}, 1)


async def test_a_run_that_is_held_up_holds_up_no_other(storage: MobStorage) -> None:
    is_well = False

    def behave(request: Received) -> Reply:
        return Reply(204 if is_well or request.run_id != run_number(0) else 500)

    with receiving() as receiver:
        receiver.behaviour = behave
        await made(storage, receiver.url)
        async with delivering(storage):
            cursors = await tell(storage, 0, 1, 0, 2, 0, *range(3, 300), 0)
            others = [cursor for cursor, run in zip(cursors, (0, 1, 0, 2, 0, *range(3, 300), 0), strict=True) if run]
            await until_true(lambda: len(receiver.taken) >= len(others))
            assert sorted(receiver.cursors()) == others

            async def is_stored() -> bool:
                return bool((await stored(storage)).progress.held)

            await until(is_stored)
            [held] = (await stored(storage)).progress.held
            assert (held.lane, held.cursor, held.error) == (run_number(0), cursors[0], "status 500")
            is_well = True
            await up_to(storage, cursors[-1])
    mine = [one.cursor for one in receiver.taken if one.run_id == run_number(0)]
    assert mine == [cursors[0], cursors[2], cursors[4], cursors[-1]]


async def test_after_the_last_attempt_an_event_is_a_dead_letter_and_its_run_goes_on(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    with receiving() as receiver:
        receiver.behaviour = lambda request: Reply(204 if request.cursor != 1 else 418)
        await made(storage, receiver.url, max_attempts=3)
        async with delivering(storage):
            first, second = await tell(storage, 0, 0)
            await up_to(storage, second)
            assert [one.cursor for one in receiver.received] == [first] * 3 + [second]
            [letter] = await admin.dead_letters("w")
            assert (letter.cursor, letter.attempts, letter.error) == (first, 3, "status 418")
            assert (letter.kind, letter.run_id) == ("step_completed", run_number(0))
            assert (await stored(storage)).progress.dead == 1
            # once more in vain, then with success
            assert await admin.redeliver("w") == 1
            await until_true(lambda: len(receiver.received) == 5)
            await until(lambda: admin.dead_letters("w"))
            assert (await admin.dead_letters("w"))[0].attempts == 4
            receiver.behaviour = lambda _: Reply()
            assert await admin.redeliver("w", [first]) == 1
            await until_true(lambda: len(receiver.taken) == 2)

            async def is_settled() -> bool:
                return (await stored(storage)).progress.delivered == 2

            await until(is_settled)
    assert await admin.dead_letters("w") == ()
    assert await admin.redeliver("w") == 0


async def test_with_one_attempt_it_is_dead_at_once(storage: MobStorage) -> None:
    with receiving() as receiver:
        receiver.behaviour = lambda request: Reply(204 if request.cursor % 2 else 500)
        await made(storage, receiver.url, max_attempts=1)
        async with delivering(storage):
            cursors = await tell(storage, 0, 0, 0, 0)
            await up_to(storage, cursors[-1])
        assert [one.cursor for one in receiver.received] == cursors
    assert [letter.attempts for letter in await FleetAdmin(storage).dead_letters("w")] == [1, 1]


async def test_redirects_are_not_followed(storage: MobStorage) -> None:
    with receiving() as other, receiving() as receiver:
        receiver.behaviour = lambda _: Reply(307, {"Location": other.url})
        await made(storage, receiver.url, max_attempts=1)
        async with delivering(storage):
            await up_to(storage, (await tell(storage, 0))[0])
        assert other.received == []
    [letter] = await FleetAdmin(storage).dead_letters("w")
    assert letter.error == "status 307: redirects are not followed"


async def test_a_receiver_that_hangs_is_given_up_and_tried_again(storage: MobStorage) -> None:
    with receiving() as receiver:
        waits = iter([3.0])
        receiver.behaviour = lambda _: Reply(after=next(waits, 0.0))
        await made(storage, receiver.url, timeout=timedelta(seconds=1))
        async with delivering(storage):
            [cursor] = await tell(storage, 0)
            await until_true(lambda: len(receiver.received) == 1)
            others = await tell(storage, *range(1, 30))
            await up_to(storage, others[-1])
        assert receiver.received[0].cursor == cursor
        assert sorted(receiver.cursors()) == [cursor, *others]


async def test_what_a_body_says_is_not_waited_for(storage: MobStorage) -> None:
    with receiving() as receiver:
        receiver.behaviour = lambda _: Reply(200, body=b"x" * 1_000_000)
        await made(storage, receiver.url)
        async with delivering(storage):
            cursors = await tell(storage, 0, 0, 0)
            await up_to(storage, cursors[-1])
        assert receiver.received[0].cursor == cursors[0]
        assert (await stored(storage)).progress.delivered == 3


async def test_retry_after_is_for_all_events_of_the_webhook(storage: MobStorage) -> None:
    with receiving() as receiver:
        replies = iter([Reply(429, {"Retry-After": "1"})])
        receiver.behaviour = lambda _: next(replies, Reply())
        await made(storage, receiver.url)
        async with delivering(storage):
            await tell(storage, 0)

            async def rests() -> bool:
                return (await stored(storage)).progress.rest_until is not None

            await until(rests)
            cursors = await tell(storage, 1, 2)
            await up_to(storage, cursors[-1])
        first, *others = [one.at for one in receiver.received]
        assert len(others) == 3
        assert min(others) - first >= 0.95


async def test_gone_pauses_the_webhook_and_nothing_is_lost_when_it_is_resumed(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    with receiving() as receiver:
        receiver.behaviour = lambda _: Reply(410)
        await made(storage, receiver.url)
        async with delivering(storage):
            cursors = await tell(storage, 0, 0)

            async def is_paused() -> bool:
                return (await stored(storage)).webhook.paused

            await until(is_paused)
            assert "410" in ((await stored(storage)).webhook.pause_reason or "")
            receiver.behaviour = lambda _: Reply()
            cursors += await tell(storage, 0, 1)
            resumed = await made_resumed(admin)
            assert not resumed.webhook.paused
            assert resumed.webhook.pause_reason is None
            await up_to(storage, cursors[-1])
    mine = [one.cursor for one in receiver.first_of_each if one.run_id == run_number(0)]
    assert mine == cursors[:3]
    assert sorted({*receiver.cursors()}) == cursors


async def made_resumed(admin: FleetAdmin) -> StoredWebhook:
    return await admin.resume_webhook("w")


async def test_while_it_is_paused_events_wait(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    with receiving() as receiver, receiving() as of_other:
        await made(storage, receiver.url)
        await made(storage, of_other.url, "other")
        async with delivering(storage):
            await up_to(storage, (await tell(storage, 0))[0])
            await admin.pause_webhook("w")

            async def is_free() -> bool:
                return (await stored(storage)).turn_until is None

            await until(is_free)
            cursors = await tell(storage, 0, 1)
            await up_to(storage, cursors[-1], "other")
            assert len(receiver.received) == 1
            await admin.resume_webhook("w")
            await up_to(storage, cursors[-1])
    assert len(receiver.taken) == 3


async def test_it_goes_on_where_it_was_with_another_url_and_what_is_held_up_is_tried_at_once(
    storage: MobStorage,
) -> None:
    with receiving() as old, receiving() as new:
        old.behaviour = lambda _: Reply(500, {"Retry-After": "3000"})
        await made(storage, old.url)
        async with delivering(storage):
            cursors = await tell(storage, 0, 1)
            await until_true(lambda: len(old.received) >= 2)
            await made(storage, new.url, replace=True)
            await up_to(storage, cursors[-1])
        assert sorted(new.cursors()) == cursors


async def test_a_deleted_webhook_is_posted_nothing_more_and_leaves_nothing(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    with receiving() as receiver, receiving() as of_other:
        receiver.behaviour = lambda _: Reply(500)
        await made(storage, receiver.url, max_attempts=1)
        await made(storage, of_other.url, "other")
        async with delivering(storage):
            await up_to(storage, (await tell(storage, 0))[0])
            await admin.remove_webhook("w")
            # until the worker has heard of it
            await until_true(lambda: "redis_mob webhook w" not in {task.get_name() for task in asyncio.all_tasks()})
            number = len(receiver.received)
            await up_to(storage, (await tell(storage, 0))[0], "other")
            assert len(receiver.received) == number
        assert [one.webhook.name for one in await admin.webhooks()] == ["other"]
        fresh = await made(storage, receiver.url)
        assert (fresh.dead_letters, fresh.progress.dead) == (0, 0)


async def test_it_can_begin_with_the_first_event(storage: MobStorage) -> None:
    cursors = await tell(storage, 0, 1, 0)
    with receiving() as receiver:
        await made(storage, receiver.url, after=cursors[0])
        async with delivering(storage):
            await up_to(storage, cursors[-1])
        assert sorted(receiver.cursors()) == cursors[1:]


async def test_events_that_are_gone_are_told(storage: MobStorage) -> None:
    cursors = await tell(storage, 0, 1, 0)
    with receiving() as receiver:
        await made(storage, receiver.url, after=cursors[0])
        await storage.events.clear()
        async with delivering(storage):
            [last] = await tell(storage, 2)
            await up_to(storage, last)
        assert receiver.cursors() == [last]
    progress = (await stored(storage)).progress
    assert progress.missed == 2
    assert progress.note == f"2 events after {cursors[0]} were deleted before they were looked at"


async def test_an_event_that_is_held_up_and_deleted_is_told_and_its_run_goes_on(storage: MobStorage) -> None:
    with receiving() as receiver:
        receiver.behaviour = lambda _: Reply(500)
        await made(storage, receiver.url)
        async with delivering(storage):
            cursors = await tell(storage, 0, 0)

            async def is_held() -> bool:
                held = (await stored(storage)).progress.held
                return bool(held) and held[0].last == cursors[1]

            await until(is_held)
        await storage.events.clear()
        receiver.behaviour = lambda _: Reply()
        async with delivering(storage):
            [last] = await tell(storage, 0)
            await up_to(storage, last)
        assert receiver.cursors() == [last]
    note = (await stored(storage)).progress.note
    assert note is not None
    assert "deleted before" in note


@pytest.mark.parametrize("seed", range(3))
async def test_each_event_is_taken_and_those_of_a_run_in_order(storage: MobStorage, seed: int) -> None:
    random = Random(seed)
    answers = (Reply(), Reply(), Reply(), Reply(500), Reply(429, {"Retry-After": "0"}), Reply(after=0.02), Reply(301))
    with receiving() as receiver:
        receiver.behaviour = lambda _: random.choice(answers)
        await made(storage, receiver.url, max_attempts=1000)
        told: list[tuple[int, int]] = []
        async with delivering(storage):
            for _ in range(10):
                runs = [random.randrange(12) for _ in range(random.randrange(1, 40))]
                told += zip(await tell(storage, *runs), runs, strict=True)
                await asyncio.sleep(random.random() * 0.05)
            await up_to(storage, told[-1][0])
        in_order(receiver, told)
        assert len(receiver.taken) == len(told)  # no worker was lost: each was taken once


def in_order(receiver: Receiver, told: list[tuple[int, int]]) -> None:
    """Each event was taken, and those of each run first in their order."""
    first = receiver.first_of_each
    assert sorted(one.cursor for one in first) == [cursor for cursor, _ in told]
    for run in {run for _, run in told}:
        mine = [one.cursor for one in first if one.run_id == run_number(run)]
        assert mine == [cursor for cursor, of in told if of == run]


async def test_workers_that_come_and_go_lose_nothing(storage: MobStorage, other_storage: MobStorage) -> None:
    random = Random(5)
    with receiving() as receiver:
        receiver.behaviour = lambda _: Reply(204 if random.random() < 0.8 else 500)
        await made(storage, receiver.url, max_attempts=1000)
        told: list[tuple[int, int]] = []
        for number in range(8):
            async with delivering(storage, other_storage) if number % 2 else delivering(storage):
                runs = [random.randrange(6) for _ in range(20)]
                told += zip(await tell(storage, *runs), runs, strict=True)
                await asyncio.sleep(0.03)
        async with delivering(other_storage):
            await up_to(storage, told[-1][0])
        in_order(receiver, told)
