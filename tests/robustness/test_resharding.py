"""A few slots that move under load, as `python -m tests.robustness.resharding` moves many."""

from __future__ import annotations

from redis_mob.testing.servers.cluster import Cluster
from tests.robustness.resharding import run
from tests.robustness.seeds import new_seed


async def test_slots_that_move_under_load_lose_nothing_and_disturb_no_call(valkey_cluster: Cluster) -> None:
    report = await run(valkey_cluster, slots=10, rounds=1, processes=2, namespaces=3, seed=new_seed())
    assert (report.broken, report.figures["errors"]) == ([], {})
    assert report.figures["refusals"]["MOVED"] > 0
    assert set(report.figures["acknowledged"]) == {"event", "run", "config"}
