"""Troubles that take several processes: a replica takes over, slots move, workers of a fleet die or stand still."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import ConnectionError, TimeoutError

from redis_mob.testing.robustness.deployment import NAMESPACE, Service
from redis_mob.testing.robustness.nemesis import Nemesis
from redis_mob.testing.servers.cluster import slot_of
from redis_mob.testing.servers.node import Node, wait_for


def kill_primary(service: Service, cut_off: float, dying: Callable[[], None]) -> None:
    """Cut the replicas off for so many seconds, and then kill the primary; `dying` is called right before that.

    On one machine a replica has all writes at once. A network that fails first keeps the last ones back: the replicas
    are stopped, their connections to the primary are cut, and they go on when it is dead.
    """
    primary, replicas = service.primary, service.replicas
    try:
        for replica in replicas:
            replica.pause()
        primary.do("CLIENT", "KILL", "TYPE", "replica")
        time.sleep(cut_off)
        dying()
        primary.kill()
    finally:
        for replica in replicas:
            replica.resume()


def wait_for_another_primary(service: Service, former: Node) -> None:
    """Block until another server than the former one is the primary."""

    def has_another() -> bool:
        with suppress(ConnectionError, TimeoutError):
            primary = service.primary
            return primary is not former and primary.do("ROLE")[0] == b"master"
        return False

    wait_for(has_another, "no replica takes over")


class PrimaryDies(Nemesis):
    name = "primary-dies"
    about = (
        "the primary is cut off from its replicas, gets SIGKILL, and a replica takes over; it comes back as a replica"
    )
    topologies = ("cluster", "sentinel")
    may_lose = True

    @property
    def seconds(self) -> float:
        return 0.0

    async def begin(self) -> None:
        self._former = self.primary
        cut_off = self.random.uniform(0.1, 0.4)
        await asyncio.to_thread(kill_primary, self.deployment.service, cut_off, self.cutting)

    async def heal(self) -> None:
        await asyncio.to_thread(wait_for_another_primary, self.deployment.service, self._former)
        await asyncio.to_thread(self._former.start_again)
        await super().heal()


class HandOver(PrimaryDies):
    name = "hand-over"
    about = "a replica is told to take over from the primary, which is well"

    async def begin(self) -> None:
        self._former = self.primary
        self.cutting()
        await asyncio.to_thread(self.deployment.service.failover)

    async def heal(self) -> None:
        await asyncio.to_thread(wait_for_another_primary, self.deployment.service, self._former)
        await Nemesis.heal(self)


class Resharding(Nemesis):
    name = "resharding"
    about = "the slot of the namespace moves to another primary of the Cluster, key by key"
    topologies = ("cluster",)

    @property
    def seconds(self) -> float:
        return 0.0

    async def begin(self) -> None:
        await asyncio.to_thread(self._move)

    def _move(self) -> None:
        cluster, slot = self.deployment.cluster, slot_of(NAMESPACE)
        assert cluster is not None, "only a Cluster has slots"
        primaries = [node for node in cluster.nodes if node.do("ROLE")[0] == b"master"]
        target = self.random.choice([node for node in primaries if node is not cluster.owner(slot)])
        # a replica does not move slots
        source = cluster.owner(slot)
        target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        cluster.move_keys(slot, target)
        for node in (target, source, *(other for other in primaries if other not in (target, source))):
            node.do("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        cluster.wait_until_believed(target)


class WorkerDies(Nemesis):
    name = "worker-dies"
    about = "a worker gets SIGKILL with what it executes, and another one is hired"
    is_of_fleets = True

    async def begin(self) -> None:
        crew = self.deployment.crew
        assert crew is not None, "a fleet has workers"
        victim = self.random.choice(crew.alive)
        victim.kill()
        await victim.wait()

    async def end(self) -> None:
        assert self.deployment.crew is not None, "a fleet has workers"
        await self.deployment.crew.hire()


class WorkerPauses(Nemesis):
    name = "worker-pauses"
    about = "a worker stands still (SIGSTOP) until others have what it executes, and goes on"
    is_of_fleets = True

    @property
    def seconds(self) -> float:
        return self.random.uniform(2.0, 4.0)

    async def begin(self) -> None:
        crew = self.deployment.crew
        assert crew is not None, "a fleet has workers"
        self._paused = self.random.choice(crew.alive)
        self._paused.send_signal(signal.SIGSTOP)

    async def end(self) -> None:
        self._paused.send_signal(signal.SIGCONT)
