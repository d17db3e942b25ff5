"""Conversations that have lost items: operators and handlers are told, and may clear or delete them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob.codec.conversations import conversation_digest
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.conversation import Conversation
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step

TALK = Conversation("c")
ITEMS = f"conversation:{conversation_digest('c')}:items"
LOSSES = {"all items": ("DEL",), "the first item": ("XDEL", "0-1")}


@pytest.fixture
async def storage(server_url: str, keys: Keys) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=keys.namespace) as opened:
        await opened.conversations.edit(TALK, "append", [1, 2])
        yield opened


async def lose(connection: Client, keys: Keys, loss: str) -> None:
    command, *entries = LOSSES[loss]
    assert await connection.router.request(command, keys.conversation_items(conversation_digest("c")), *entries) == 1


@pytest.mark.parametrize("loss", LOSSES)
async def test_lost_items_are_told_until_the_history_is_cleared(
    storage: MobStorage, keys: Keys, connection: Client, loss: str
) -> None:
    admin = FleetAdmin(storage)
    await lose(connection, keys, loss)
    for told in (admin.conversation_history("c"), admin.conversation("c"), storage.conversations.edit(TALK, "pop")):
        with pytest.raises(SerializationError, match=f"{ITEMS} is damaged"):
            await told
    await storage.conversations.edit(TALK, "clear")
    assert await admin.conversation_history("c") == []
    await storage.conversations.edit(TALK, "append", [3])
    assert [(one.number, one.value) for one in await admin.conversation_history("c")] == [(3, 3)]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_conversation_that_has_lost_items_is_deleted(
    storage: MobStorage, keys: Keys, connection: Client, loss: str
) -> None:
    await lose(connection, keys, loss)
    await FleetAdmin(storage).delete_conversation("c")
    with pytest.raises(NotFoundError):
        await FleetAdmin(storage).conversation("c")


@pytest.mark.parametrize("loss", LOSSES)
async def test_lost_items_are_told_to_handlers(storage: MobStorage, keys: Keys, connection: Client, loss: str) -> None:
    async def read(ctx: StepContext) -> Any:
        found = await ctx.conversation.history()
        await lose(connection, keys, loss)
        try:
            return found, await ctx.conversation.history()
        except SerializationError as error:
            await storage.conversations.edit(TALK, "clear")  # else the run could not end
            return found, str(error)

    fleet = Fleet(storage, mob({"a": step()}), {"worker": read})
    async with fleet.working():
        run = await fleet.wait(await fleet.start(FLOW, conversation="c"), LONG)
    found, told = run.root_step_outputs["a"]["worker-1"]
    assert found == [1, 2]
    assert f"{ITEMS} is damaged" in told
