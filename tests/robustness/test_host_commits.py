"""A small run of the program that commits to a host store through a bad network, and a store that it finds out."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.stores.host import RedisHostStore
from tests.robustness import host_commits
from tests.robustness.seeds import new_seed


async def test_commits_through_a_bad_network_are_neither_lost_nor_doubled() -> None:
    report = await host_commits.run(seed=new_seed(), commits=600)
    assert report.broken == [], report
    assert (report.figures["lost"], report.figures["doubled"]) == (0, 0)
    assert report.figures["answers"]["had landed"]
    assert report.figures["answers"]["fenced out"]


async def test_a_store_that_forgets_commits_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = RedisHostStore.commit

    async def under_another_id(store: RedisHostStore, batch: Any) -> bool:
        forgets = not hash(batch.commit_id) % 50
        return True if forgets else await commit(store, batch)

    monkeypatch.setattr(RedisHostStore, "commit", under_another_id)
    assert (await host_commits.run(seed=new_seed(), commits=600)).broken
