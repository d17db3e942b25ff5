"""Webhooks and schedules that cannot be read are named, and may be removed and replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

JUNK = (b"\xffjunk", b"5 \xff", b"", b"1 {}")
URL, HOUR = "https://example.com/hook", timedelta(hours=1)


@pytest.fixture
async def storage(server_url: str, keys: Keys) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=keys.namespace) as opened:
        yield opened


@pytest.mark.parametrize("junk", JUNK)
async def test_a_damaged_webhook_is_named_removed_and_replaced(
    storage: MobStorage, keys: Keys, connection: Client, junk: bytes
) -> None:
    admin = FleetAdmin(storage)
    other = await admin.set_webhook("other", URL)
    for part in (keys.webhooks, keys.webhook_secrets, keys.webhook_progress):
        await admin.set_webhook("w", URL)
        await connection.router.request("HSET", part, "w", junk)
        for told in (admin.webhooks(), admin.webhook("w"), admin.set_webhook("w", URL)):
            with pytest.raises(SerializationError, match="webhook 'w'"):
                await told
        await admin.set_webhook("w", URL, replace=True)
        assert [one.webhook.name for one in await admin.webhooks()] == ["other", "w"]
        await connection.router.request("HSET", part, "w", junk)
        await admin.remove_webhook("w")
        assert await admin.webhooks() == (other,)
    with pytest.raises(NotFoundError, match="webhook 'w' does not exist"):
        await admin.remove_webhook("w")


@pytest.mark.parametrize("junk", JUNK)
async def test_a_damaged_schedule_is_named_removed_and_replaced(
    storage: MobStorage, keys: Keys, connection: Client, junk: bytes
) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, mob({"a": step()}))
    other = await fleet.schedule("other", FLOW, every=HOUR)
    for name in ("v", "w"):
        await fleet.schedule(name, FLOW, every=HOUR)
        await connection.router.request("HSET", keys.schedules, name, junk)
    with pytest.raises(SerializationError, match=r"schedule 'v'.*schedule 'w'"):
        await admin.schedules()
    with pytest.raises(SerializationError, match="schedule 'w'"):
        await fleet.schedule("w", FLOW, every=HOUR)
    replaced = await fleet.schedule("w", FLOW, every=HOUR, replace=True)
    await admin.unschedule("v")
    assert await admin.schedules() == (other, replaced)
    with pytest.raises(NotFoundError, match="schedule 'v' does not exist"):
        await admin.unschedule("v")
