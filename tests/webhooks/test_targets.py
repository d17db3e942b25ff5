"""Where workers post: a worker may be told to post to the internet alone, or nowhere."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import pytest

from redis_mob.errors import ValidationError
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import until as until_true
from redis_mob.webhooks.duty import WebhookDuty
from redis_mob.webhooks.targets import NotPublicError, public_address
from tests.webhooks.receiver import receiving
from tests.webhooks.scenes import delivering, made, tell, until

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "2002:a00:1::",
    "64:ff9b::a00:1",
)


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(NotPublicError):
        await public_address(address, 443)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111"])
async def test_a_public_address_is_taken(address: str) -> None:
    assert await public_address(address, 443) == address


async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    with pytest.raises(NotPublicError):
        await public_address("example.com", 443)


async def test_a_worker_posts_to_no_private_address_if_it_is_told_so(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_MOB_WEBHOOKS", "public")
    admin = FleetAdmin(storage)
    with receiving() as receiver:
        await made(storage, receiver.url, max_attempts=1)
        async with delivering(storage):
            await tell(storage, 0)
            await until(lambda: admin.dead_letters("w"))
        assert receiver.received == []
    [letter] = await admin.dead_letters("w")
    assert "not public" in letter.error


async def test_a_worker_posts_nothing_if_it_is_told_so(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REDIS_MOB_WEBHOOKS", "off")
    with receiving() as receiver, caplog.at_level(logging.INFO):
        await made(storage, receiver.url)
        async with delivering(storage):
            await tell(storage, 0)
            await until_true(lambda: "delivers no webhooks" in caplog.text)  # that ends its duty
        assert receiver.received == []
    assert (await FleetAdmin(storage).webhook("w")).turn_until is None


async def test_what_is_said_in_other_words_is_refused(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MOB_WEBHOOKS", "Public")
    with pytest.raises(ValidationError, match="give one of any, public, off"):
        WebhookDuty(storage)


async def test_a_worker_without_httpx_takes_no_turn_and_says_what_it_needs(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "redis_mob.webhooks.sending", raising=False)
    await made(storage, "http://127.0.0.1:1/")

    async def is_told() -> bool:
        return "pip install 'redis-mob[http]'" in caplog.text

    async with delivering(storage):
        await until(is_told)
        assert (await FleetAdmin(storage).webhook("w")).turn_until is None
    assert caplog.text.count("cannot deliver webhooks") == 1


async def test_without_a_webhook_a_worker_looks_and_asks_nothing_else(storage: MobStorage) -> None:
    asked: list[str] = []
    store: Any = storage.webhooks

    class Watched:
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return getattr(store, name)

    watched: Any = storage
    watched.webhooks = Watched()
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)
    await WebhookDuty(storage).run(stop, "worker")
    assert asked.count("list") in (1, 2)  # a listener is woken once when it begins
    assert {*asked} == {"list", "listen"}
