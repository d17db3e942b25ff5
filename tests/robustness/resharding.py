"""Slots that move under load: no call may notice.

    python -m tests.robustness.resharding [--slots 1000] [--rounds 1] [--processes 2] [--namespaces 6] [--seed N]

Real processes write to several namespaces, and another one follows them, while slots of all three primaries go to the
next primary and back, one after the other, those of the namespaces among them. They go as with `redis-cli --cluster
reshard`, to one target at a time: CLUSTER SETSLOT IMPORTING and MIGRATING, MIGRATE, CLUSTER SETSLOT NODE.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from redis_mob.testing.servers.cluster import Cluster, Node, run_cluster, slot_of
from tests.robustness.judging import judge, read_stored
from tests.robustness.load import loaded
from tests.robustness.report import Report, parser, run_program


class Move(NamedTuple):
    """A slot, and the node that is to have it."""

    slot: int
    target: Node


def chosen_slots(cluster: Cluster, namespaces: Sequence[str], count: int, seed: int) -> list[int]:
    """So many slots of all primaries in turn, those of the namespaces at random places among them."""
    held = [slot_of(namespace) for namespace in namespaces]
    every = chain.from_iterable(zip(*(range(first, last) for first, last in cluster.nodes[0].shards()), strict=False))
    others = [slot for slot in every if slot not in held]
    slots = others[: count - len(held)]
    places = random.Random(seed)
    for slot in held:
        slots.insert(places.randint(0, len(slots)), slot)
    return slots


def there_and_back(cluster: Cluster, slots: Sequence[int]) -> tuple[list[Move], list[Move]]:
    """The moves of the slots to the next primary, and those back."""
    owners = [cluster.owner(slot) for slot in slots]
    after = dict(zip(cluster.nodes, [*cluster.nodes[1:], cluster.nodes[0]], strict=True))
    there = [Move(slot, after[owner]) for slot, owner in zip(slots, owners, strict=True)]
    return there, [Move(slot, owner) for slot, owner in zip(slots, owners, strict=True)]


def reshard(cluster: Cluster, moves: Sequence[Move]) -> float:
    """Make these moves, one after the other, all to one target before the next; returns how many seconds it took.

    A target must not lose slots again before all nodes know that it has them: no node might be left that owns them.
    """
    began = time.monotonic()
    for node in cluster.nodes:
        for slot, target in moves:
            if target is node:
                cluster.begin_move(slot, target)
                cluster.move_keys(slot, target)
                cluster.assign(slot, target)
        cluster.wait_until_believed(node)
    return time.monotonic() - began


async def run(cluster: Cluster, *, slots: int, rounds: int, processes: int, namespaces: int, seed: int) -> Report:
    """Do it all on a running Cluster."""
    names = [f"resharding-{number}" for number in range(namespaces)]
    there, back = there_and_back(cluster, chosen_slots(cluster, names, slots, seed))
    async with loaded(cluster.url, names, processes=processes, seed=seed) as load:
        for moves in (there, back) * rounds:
            seconds = await asyncio.to_thread(reshard, cluster, moves)
            print(f"{len(moves)} slots moved in {seconds:.1f} s", file=sys.stderr)
            await load.proceed(10)
        is_followed = await load.finish()
        stored = await read_stored(cluster.url, load.namespaces, load.writers)
    verdict = judge(load.notes, stored, loses_nothing=True)
    if not is_followed:
        verdict.broken.append("the follower has not seen the end")
    refusals = {code: cluster.refusals(code) for code in ("MOVED", "ASK", "TRYAGAIN")}
    figures = {"slots moved": len(there) * 2 * rounds, "refusals": refusals, **verdict.figures}
    return Report("resharding", seed, figures, verdict.shown)


async def main(options: argparse.Namespace) -> Report:
    """Do it on a Cluster of its own."""
    with run_cluster() as cluster:
        return await run(cluster, **vars(options))


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("--slots", type=int, default=1000)
    made.add_argument("--rounds", type=int, default=1)
    made.add_argument("--processes", type=int, default=2)
    made.add_argument("--namespaces", type=int, default=6)
    run_program(made.parse_args(), main)
