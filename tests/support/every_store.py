"""A little of what each store of a storage does, for tests of where a storage may be."""

from __future__ import annotations

import asyncio

from redis_mob import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.config_documents import at, changed
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.new_events import completed, numbered
from redis_mob.testing.waiting import LONG


async def use_every_store(storage: MobStorage, another: MobStorage) -> None:
    """Write to all stores of an empty namespace, read from them, and be woken in another storage on it."""
    async with another.events.subscribe() as events, another.config.subscribe() as changes:
        run = scene()
        await storage.runs.create_run(run)
        assert [one.run_id for one in await storage.runs.list_runs("mob")] == [run.run_id]
        assert await storage.specs.put_spec("m", definition()) == 1
        assert await storage.runtime_metadata.put_supervisor_authority_if_absent("m", authority())
        await storage.runtime_metadata.upsert_external_binding_overlay("m", overlay())
        assert (await storage.realm_profiles.create("p", profile())).revision == 1
        await storage.config.put_if_revision("n", "a", at(1), 0)
        await storage.events.append_batch([numbered(1), numbered(2)])
        assert await storage.events.append_terminal_event_if_absent(completed()) is not None
        async with asyncio.timeout(LONG):
            assert [(await anext(events)).cursor for _ in range(3)] == [1, 2, 3]
            assert await changes.next() == changed("a")
