"""Failovers under load: whether acknowledged writes survive them, once, and whether clients are told when not.

    python -m tests.robustness.failovers [--topology cluster|sentinel] [--kind kill|failover]
        [--durability memory|replicas:N] [--failovers 20] [--processes 4] [--cut-off 0.3] [--seed N]

Real processes write to one namespace and note what was acknowledged; another one follows it. Meanwhile the primary is
killed (or told to hand over) again and again. Before a kill the replicas are cut off from it for `--cut-off` seconds,
as a network does that fails first, or else replication on one machine is too fast to lose anything: they are stopped
(SIGSTOP), their connections to the primary are cut (CLIENT KILL), and they go on when the primary is dead.

Each killed server is started again, and in sync, before the next failover. With one replica, writes with the
durability replicas:1 wait for that. With Sentinel there are two replicas, and the Sentinels may prefer the one that did
not acknowledge: use replicas:2 there.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median

from redis_mob.testing.robustness.deployment import Service
from redis_mob.testing.robustness.topology_nemeses import kill_primary, wait_for_another_primary
from redis_mob.testing.servers.cluster import run_cluster, slot_of
from redis_mob.testing.servers.node import Node
from redis_mob.testing.servers.sentinel import SERVICE, run_sentinels
from tests.robustness.judging import Disruption, judge, read_stored
from tests.robustness.load import Notes, loaded
from tests.robustness.notes import now
from tests.robustness.report import Report, parser, run_program

NAMESPACE = "failovers"
_QUICK = ("--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")

_DOWN_AFTER = 1500
"""Milliseconds. Sentinels that are given less take a new primary for dead too, since they need a second to reach it."""


@contextmanager
def running(topology: str) -> Generator[Service]:
    """A service that holds the namespace."""
    if topology == "cluster":
        with run_cluster(*_QUICK, replicas=1) as cluster:
            yield cluster.shard(slot_of(NAMESPACE))
    else:
        with run_sentinels() as service:
            for sentinel in service.sentinels:
                sentinel.do("SENTINEL", "SET", SERVICE, "down-after-milliseconds", _DOWN_AFTER)
            yield service


def replace_primary(service: Service, cut_off: float) -> Disruption:
    """Cut the replicas off for so many seconds, kill the primary, wait for another one, and start the killed one."""
    primary, began = service.primary, list[float]()
    kill_primary(service, cut_off, lambda: began.append(now()))
    disruption = Disruption(began[0], _settled(service, primary))
    primary.start_again()
    return disruption


def hand_over(service: Service) -> Disruption:
    """Make a replica take over from the primary."""
    primary, began = service.primary, now()
    service.failover()
    return Disruption(began, _settled(service, primary))


def _settled(service: Service, former: Node) -> float:
    """Wait until another node than the former one is the primary; returns when that was."""
    wait_for_another_primary(service, former)
    return now()


def recoveries(notes: Notes, disruptions: Sequence[Disruption]) -> list[float]:
    """Seconds from each disruption until the first acknowledgement of a call that began after it."""
    acknowledged = [call for call in notes.calls if call.is_acknowledged]
    return [min(call.ended for call in acknowledged if call.began > began) - began for began, _settled in disruptions]


async def run(
    service: Service, *, kind: str, durability: str, failovers: int, processes: int, cut_off: float, seed: int
) -> Report:
    """Do it all on a running service."""
    pauses, disruptions = random.Random(seed), list[Disruption]()
    disrupt = partial(replace_primary, service, cut_off) if kind == "kill" else partial(hand_over, service)
    async with loaded(service.url, [NAMESPACE], processes=processes, seed=seed, durability=durability) as load:
        for number in range(failovers):
            await load.proceed(pauses.randint(10, 100))
            disruptions.append(await asyncio.to_thread(disrupt))
            began, settled = disruptions[-1]
            print(f"{number + 1} of {failovers}: another primary after {settled - began:.2f} s", file=sys.stderr)
            await asyncio.to_thread(service.wait_until_ready)
            await load.recovered(settled)
        is_followed = await load.finish()
        stored = await read_stored(service.url, load.namespaces, load.writers)
    verdict = judge(load.notes, stored, loses_nothing=durability != "memory", disruptions=disruptions)
    if not is_followed:
        verdict.broken.append("the follower has not seen the end")
    seconds = recoveries(load.notes, disruptions)
    recovery = {"median": round(median(seconds), 2), "maximum": round(max(seconds), 2)}
    return Report("failovers", seed, {"recovery (s)": recovery, **verdict.figures}, verdict.shown)


async def main(options: argparse.Namespace) -> Report:
    """Do it on a service of its own."""
    chosen = vars(options).copy()
    with running(chosen.pop("topology")) as service:
        report = await run(service, **chosen)
    report.figures = {"options": vars(options), **report.figures}
    return report


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("--topology", choices=["cluster", "sentinel"], default="cluster")
    made.add_argument("--kind", choices=["kill", "failover"], default="kill")
    made.add_argument("--durability", default="memory")
    made.add_argument("--failovers", type=int, default=20)
    made.add_argument("--processes", type=int, default=4)
    made.add_argument("--cut-off", type=float, default=0.3)
    run_program(made.parse_args(), main)
