"""One failover on each topology, as `python -m tests.robustness.failovers` makes many."""

from __future__ import annotations

from typing import Any

from tests.robustness.failovers import run, running
from tests.robustness.seeds import new_seed


async def killed_once(topology: str, durability: str) -> dict[str, Any]:
    """What is found when the primary is killed once, and no guarantee is broken."""
    with running(topology) as service:
        report = await run(
            service, kind="kill", durability=durability, failovers=1, processes=2, cut_off=0.3, seed=new_seed()
        )
    assert report.broken == []
    return report.figures


async def test_what_a_replica_has_confirmed_survives_its_primary_once() -> None:
    found = await killed_once("cluster", "replicas:1")
    assert (found["lost"], found["doubled"]) == ({}, 0)
    assert set(found["acknowledged"]) == {"event", "run", "config"}


async def test_who_wrote_or_saw_what_is_lost_with_a_primary_is_told() -> None:
    found = await killed_once("sentinel", "memory")
    assert sum(found["lost"].values()) > 0
    assert found["doubled"] == 0
