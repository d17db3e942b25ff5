"""The store of webhooks: compare-and-swap, turns, letters and secrets; on a server and in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from redis_mob.codec.webhooks import MOST_DEAD, MOST_WEBHOOKS
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import InternalError, UnsealedSecretsWarning, ValidationError
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.webhooks import SECRET, letter, progress, webhook
from tests.webhooks.scenes import tell

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")


async def test_a_put_compares_the_revision_and_keeps_the_progress(storage: MobStorage) -> None:
    webhooks = storage.webhooks
    first = await webhooks.put(webhook(), SECRET, after=7, revision=0)
    assert first is not None
    assert await webhooks.put(webhook(), SECRET, after=0, revision=0) is None
    assert await webhooks.put(webhook(), SECRET, after=0, revision=first + 1) is None
    turn = await webhooks.take_turn("audit", "a", HOUR)
    assert turn is not None
    assert turn.progress == progress(7)
    assert await webhooks.advance("audit", "a", turn.number, progress(9, delivered=2), length=HOUR) is not None
    second = await webhooks.put(webhook(paused=True), SECRET, after=0, revision=first)
    assert second is not None
    stored = await webhooks.get("audit")
    assert stored is not None
    assert (stored.webhook, stored.secret, stored.revision) == (webhook(paused=True), SECRET, second)
    assert stored.progress == progress(9, delivered=2)
    assert stored.turn_until is not None
    assert SECRET not in repr(stored)
    assert await webhooks.get("none") is None


async def test_one_from_now_on_begins_behind_the_last_cursor_that_was_given(storage: MobStorage) -> None:
    # contract: operations-230
    await storage.webhooks.put(webhook("early"), SECRET, after=None)
    await tell(storage, 1, 1, 2)
    assert await storage.events.prune(datetime.now(UTC) + HOUR) == 3
    await storage.webhooks.put(webhook("late"), SECRET, after=None)
    found = await storage.webhooks.list()
    assert {one.webhook.name: one.progress.cursor for one in found.webhooks} == {"early": 0, "late": 3}


async def test_no_revision_is_given_twice(storage: MobStorage) -> None:
    given = [await storage.webhooks.put(webhook(name), SECRET, after=0) for name in "abab"]
    assert await storage.webhooks.delete("a")
    assert not await storage.webhooks.delete("a")
    given += [await storage.webhooks.put(webhook("a"), SECRET, after=0)]
    assert len(set(given)) == 5
    assert [one.webhook.name for one in (await storage.webhooks.list()).webhooks] == ["a", "b"]


async def test_a_turn_is_one_holders_until_it_ends_or_is_given_back(storage: MobStorage) -> None:
    webhooks = storage.webhooks
    assert await webhooks.take_turn("audit", "a", HOUR) is None
    await webhooks.put(webhook(), SECRET, after=0)
    first = await webhooks.take_turn("audit", "a", HOUR)
    assert first is not None
    assert await webhooks.take_turn("audit", "b", HOUR) is None
    again = await webhooks.take_turn("audit", "a", HOUR)
    assert again is not None
    assert await webhooks.advance("audit", "a", first.number, progress(2), length=HOUR) is None
    assert await webhooks.advance("audit", "b", again.number, progress(2), length=HOUR) is None
    given_back = await webhooks.advance("audit", "a", again.number, progress(2), length=timedelta())
    assert given_back is not None
    other = await webhooks.take_turn("audit", "b", timedelta(milliseconds=1))
    assert other is not None
    assert other.progress == progress(2)
    await asyncio.sleep(0.01)
    assert await webhooks.take_turn("audit", "a", HOUR) is not None
    assert await webhooks.advance("audit", "b", other.number, progress(3), length=HOUR) is None


async def test_letters_are_bounded_and_given_again_when_asked(storage: MobStorage) -> None:
    webhooks = storage.webhooks
    for name in ("audit", "audi", "auditd"):
        await webhooks.put(webhook(name), SECRET, after=0)
    turn = await webhooks.take_turn("audit", "a", HOUR)
    assert turn is not None
    letters = [letter(cursor) for cursor in range(1, MOST_DEAD + 6)]
    turn = await webhooks.advance("audit", "a", turn.number, progress(), length=HOUR, dead=letters)
    assert turn is not None
    stored = await webhooks.get("audit")
    assert stored is not None
    assert (stored.dead_letters, stored.dropped) == (MOST_DEAD, 5)
    assert await webhooks.dead_letters("audit", limit=MOST_DEAD) == tuple(letters[5:])
    assert await webhooks.dead_letters("audit", after=MOST_DEAD, limit=2) == tuple(letters[MOST_DEAD : MOST_DEAD + 2])
    assert await webhooks.dead_letters("audi") == await webhooks.dead_letters("auditd") == ()
    assert await webhooks.dead_letters("none") is None
    assert await webhooks.redeliver("audit", [1, 6, 7]) == 2
    assert await webhooks.redeliver("none", [1, 6, 7]) == 0
    turn = await webhooks.advance("audit", "a", turn.number, progress(), length=HOUR)
    assert turn is not None
    assert turn.again == (letters[5], letters[6])
    turn = await webhooks.advance(
        "audit", "a", turn.number, progress(), length=HOUR, settled=[letters[5], letters[6]], dead=[letter(7)]
    )
    assert turn is not None
    assert turn.again == ()
    assert [one.cursor for one in await webhooks.dead_letters("audit", limit=2) or ()] == [7, 8]
    await webhooks.redeliver("audit", range(1, 500))
    assert await webhooks.delete("audit")
    await webhooks.put(webhook("audit"), SECRET, after=0)
    assert await webhooks.dead_letters("audit") == ()


async def test_there_are_so_many_webhooks_at_most(storage: MobStorage) -> None:
    for number in range(MOST_WEBHOOKS):
        await storage.webhooks.put(webhook(f"w{number}"), SECRET, after=0)
    with pytest.raises(InternalError, match="at most 100 webhooks"):
        await storage.webhooks.put(webhook("one more"), SECRET, after=0)
    assert await storage.webhooks.put(webhook("w1", paused=True), SECRET, after=0) is not None


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_c2hvcnQ=", "c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2ggZm9yIGl0", "whsec_ü" * 8, "whsec_*" * 9]
)
async def test_a_secret_that_is_none_is_refused_and_not_shown(storage: MobStorage, secret: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        await storage.webhooks.put(webhook(), secret, after=0)
    assert secret[6:] == "" or secret[6:] not in str(refusal.value)


async def test_a_secret_is_sealed_and_sealed_anew(server_url: str, namespace: str, connection: Client) -> None:
    old, new = SealKey.generate("old"), SealKey.generate("new")
    field = Keys(namespace).webhook_secrets
    async with MobStorage.open(server_url, namespace=namespace, seal_key=old) as storage:
        await storage.webhooks.put(webhook(), SECRET, after=0)
        stored = await connection.router.request("HGET", field, "audit")
        assert SECRET.encode() not in stored
        assert b"old" in stored
    async with MobStorage.open(server_url, namespace=namespace, seal_key=SealKeyring(new, old)) as storage:
        assert await storage.runtime_metadata.reseal_all() == 1
    async with MobStorage.open(server_url, namespace=namespace, seal_key=new) as storage:
        opened = await storage.webhooks.get("audit")
        assert opened is not None
        assert opened.secret == SECRET
        # that of another webhook does not open as this one's
        await storage.webhooks.put(webhook("other"), SECRET, after=0)
        await connection.router.request("HSET", field, "other", await connection.router.request("HGET", field, "audit"))
        found = await storage.webhooks.list()
        assert [one.webhook.name for one in found.webhooks] == ["audit"]
        assert len(found.unreadable) == 1


@pytest.mark.filterwarnings("default::redis_mob.errors.UnsealedSecretsWarning")
async def test_without_a_key_a_warning_says_that_it_is_in_clear(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        with pytest.warns(UnsealedSecretsWarning) as told:
            await storage.webhooks.put(webhook(), SECRET, after=0)
        assert SECRET not in str(told[0].message)
