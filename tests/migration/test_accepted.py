"""Accepting losses counts a namespace of an older release too, and leaves one that can be opened."""

from __future__ import annotations

from redis_mob import MobStorage
from redis_mob.admin.losses import accept_losses, find_losses
from redis_mob.connection.calls.client import Client
from tests.migration.old_namespace import FINISHED, RUNS, write_old


async def test_a_namespace_that_no_other_release_has_opened(
    connection: Client, server_url: str, namespace: str
) -> None:
    keys = await write_old(connection, namespace)
    assert [loss.is_uncounted for loss in await accept_losses(server_url, namespace)] == [True]
    left = await find_losses(server_url, namespace)
    assert {loss.key for loss in left} == {keys.run(run_id).run for run_id in RUNS.values()}
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        assert await storage.runs.get_run(RUNS["finished"]) == FINISHED
