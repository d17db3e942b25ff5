"""What breaks servers and networks under the traffic of clients, one kind of trouble each.

`begin` breaks something, `end` stops that, and `heal` brings the servers back to where they were, so that the next trouble
finds them well. A nemesis decides with the `Random` that it is given, and remembers nothing else from one trouble to the
next.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import ClassVar

from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from redis_mob.testing.faults import Fault, at_random
from redis_mob.testing.robustness import network
from redis_mob.testing.robustness.deployment import DISK, NAMESPACE, Deployment, clock_library
from redis_mob.testing.servers.cluster import slot_of
from redis_mob.testing.servers.node import Node, wait_for

_MB = 1 << 20


class Nemesis:
    """One kind of trouble. `name` is what the command calls it, `about` says what it does.

    `topologies` are those that it can break, `needs` what of a deployment it breaks them with, and `may_lose` says that a
    server that is not told to be safe loses by it what was acknowledged.
    """

    name: ClassVar[str] = "none"
    about: ClassVar[str] = "nothing is broken"
    topologies: ClassVar[tuple[str, ...]] = ("single", "cluster", "sentinel")
    needs: ClassVar[str] = ""
    may_lose: ClassVar[bool] = False
    is_of_fleets: ClassVar[bool] = False
    """It breaks workers, which only a fleet has."""

    def __init__(self, deployment: Deployment, random: Random) -> None:
        self.deployment = deployment
        self.random = random
        self.cutting: Callable[[], None] = lambda: None
        """Called when that happens by which a server loses what is only in its memory; from any thread."""

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be used on this machine; empty if it can."""
        return ""

    @property
    def seconds(self) -> float:
        """For how long the trouble is to last, from `begin` to `end`; a random time."""
        return self.random.uniform(0.1, 0.6)

    @property
    def primary(self) -> Node:
        """The server that has the namespace."""
        return self.deployment.service.primary

    async def begin(self) -> None:
        """Break something."""

    async def end(self) -> None:
        """Stop breaking it."""

    async def heal(self) -> None:
        """Bring the servers back to where they were, and wait for that."""
        await asyncio.to_thread(self.deployment.service.wait_until_ready)


class Kill(Nemesis):
    name = "kill"
    about = "the server gets SIGKILL, and is started again with what it had stored"
    topologies = ("single",)
    may_lose = True

    async def begin(self) -> None:
        self.cutting()
        self.primary.kill()

    async def end(self) -> None:
        await asyncio.to_thread(self.primary.start_again)


class Pause(Nemesis):
    name = "pause"
    about = "the server stands still (SIGSTOP), and goes on (SIGCONT)"

    async def begin(self) -> None:
        self._paused = self.primary
        self._paused.pause()

    async def end(self) -> None:
        self._paused.resume()


class Clock(Nemesis):
    name = "clock"
    about = "the clock of the server jumps up to a minute forward or back, and stays there"
    topologies = ("single",)
    needs = "clock"

    @classmethod
    def missing(cls) -> str:
        return "" if clock_library() else "there is no libfaketime (Debian: apt-get install faketime)"

    async def begin(self) -> None:
        assert self.deployment.clock is not None, "the deployment was asked for a clock"
        self.deployment.clock.write_text(f"{self.random.uniform(-60, 60):+.3f}")


class DiskFull(Nemesis):
    name = "disk-full"
    about = f"the disk of the server, of {DISK} MB, is full; a server that ends by that is started again"
    topologies = ("single",)
    needs = "disk"
    may_lose = True

    @classmethod
    def missing(cls) -> str:
        return "" if os.geteuid() == 0 else "only root can mount a disk that is small"

    @property
    def seconds(self) -> float:
        return self.random.uniform(0.5, 1.5)

    async def begin(self) -> None:
        assert self.deployment.place is not None, "a server that is alone has a place"
        self.cutting()
        self._ballast = self.deployment.place / "ballast"
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(_MB // 4))

    async def end(self) -> None:
        self._ballast.unlink(missing_ok=True)
        await asyncio.to_thread(_revive, self.primary)


class MemoryFull(Nemesis):
    name = "memory-full"
    about = "the server has reached its maxmemory, and refuses what needs more (noeviction)"
    topologies = ("single",)

    async def begin(self) -> None:
        await asyncio.to_thread(self.primary.do, "CONFIG", "SET", "maxmemory", 1)

    async def end(self) -> None:
        await asyncio.to_thread(self.primary.do, "CONFIG", "SET", "maxmemory", 0)


class SlowDisk(Nemesis):
    name = "slow-disk"
    about = "each fsync of the server takes 20 ms longer (strace holds it up)"
    topologies = ("single",)

    @classmethod
    def missing(cls) -> str:
        if shutil.which("strace") is None:
            return "there is no strace (Debian: apt-get install strace)"
        ended = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False)  # noqa: S607
        return "" if ended.returncode == 0 else "this system lets no process be traced"

    @property
    def seconds(self) -> float:
        return self.random.uniform(0.5, 1.5)

    async def begin(self) -> None:
        delays = "inject=fdatasync,fsync:delay_enter=20000"
        self._strace = subprocess.Popen(  # noqa: ASYNC220
            ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", delays, "-p", str(self.primary.pid)],  # noqa: S607
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def end(self) -> None:
        self._strace.send_signal(signal.SIGINT)
        await asyncio.to_thread(self._strace.wait)


class Requests(Nemesis):
    name = "requests"
    about = "one request in ten is cut off, truncated, swallowed, delayed or late, each in one of nine ways"
    topologies = ("single",)
    needs = "proxy"
    faults: ClassVar[tuple[Fault, ...]] = tuple(sorted(set(Fault) - {Fault.NONE}, key=lambda fault: fault.value))
    one_in: ClassVar[int] = 10

    async def begin(self) -> None:
        assert self.deployment.proxy is not None, "the deployment was asked for a proxy"
        self.deployment.proxy.plan = at_random(
            seed=self.random.randrange(1 << 30), one_in=self.one_in, faults=self.faults
        )

    async def end(self) -> None:
        assert self.deployment.proxy is not None, "the deployment was asked for a proxy"
        self.deployment.proxy.plan = lambda _request: Fault.NONE
        # those that were swallowed would stay dead until their clients give them up
        self.deployment.proxy.cut_all()
        await self.deployment.proxy.all_arrived()

    @property
    def seconds(self) -> float:
        return self.random.uniform(1.0, 2.0)


class RepliesLost(Requests):
    name = "replies-lost"
    about = "one request in four is executed, and its reply never comes: the proxy cuts one direction"
    faults = (Fault.REPLY_DROPPED, Fault.CUT_AFTER)
    one_in = 4


class RequestsLost(Requests):
    name = "requests-lost"
    about = "one request in four never arrives: the proxy cuts the other direction"
    faults = (Fault.BLACK_HOLE, Fault.CUT_BEFORE)
    one_in = 4


class Partition(Nemesis):
    name = "partition"
    about = "no packet passes between clients and server (a network namespace of its own), in either direction"
    topologies = ("single",)
    needs = "network"
    requests: ClassVar[bool] = True
    replies: ClassVar[bool] = True

    @classmethod
    def missing(cls) -> str:
        return network.missing()

    @property
    def seconds(self) -> float:
        return self.random.uniform(0.5, 2.5)

    async def begin(self) -> None:
        assert self.deployment.network is not None, "the deployment was asked for a network"
        await asyncio.to_thread(self.deployment.network.cut, requests=self.requests, replies=self.replies)

    async def end(self) -> None:
        assert self.deployment.network is not None, "the deployment was asked for a network"
        await asyncio.to_thread(self.deployment.network.heal)


class PartitionOfReplies(Partition):
    name = "partition-replies"
    about = "requests arrive and are executed, and no packet comes back"
    requests = False


class PartitionOfRequests(Partition):
    name = "partition-requests"
    about = "no request arrives, and what the server has sent still comes"
    replies = False


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
        await asyncio.to_thread(self._kill, self.random.uniform(0.1, 0.4))

    def _kill(self, cut_off: float) -> None:
        """On one machine a replica has all writes at once; a network that fails first keeps the last ones back."""
        service = self.deployment.service
        primary, replicas = service.primary, service.replicas
        try:
            for replica in replicas:
                replica.pause()
            primary.do("CLIENT", "KILL", "TYPE", "replica")
            time.sleep(cut_off)
            self.cutting()
            primary.kill()
        finally:
            for replica in replicas:
                replica.resume()

    async def heal(self) -> None:
        await asyncio.to_thread(wait_for, self._has_another, "no replica takes over")
        await asyncio.to_thread(self._former.start_again)
        await super().heal()

    def _has_another(self) -> bool:
        with suppress(ConnectionError, TimeoutError):
            primary = self.primary
            return primary is not self._former and primary.do("ROLE")[0] == b"master"
        return False


class HandOver(PrimaryDies):
    name = "hand-over"
    about = "a replica is told to take over from the primary, which is well"

    async def begin(self) -> None:
        self._former = self.primary
        self.cutting()
        await asyncio.to_thread(self.deployment.service.failover)

    async def heal(self) -> None:
        await asyncio.to_thread(wait_for, self._has_another, "no replica takes over")
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


def _revive(node: Node) -> None:
    """Start a server again that has ended, or let one go on that is still there; it takes writes again."""
    with suppress(ConnectionError, ResponseError):
        node.do("PING")
    if not node.is_running:
        node.kill()
        node.start_again()


NEMESES: Mapping[str, type[Nemesis]] = {
    one.name: one
    for one in (
        Nemesis,
        Kill,
        Pause,
        Clock,
        DiskFull,
        MemoryFull,
        SlowDisk,
        Requests,
        RepliesLost,
        RequestsLost,
        Partition,
        PartitionOfReplies,
        PartitionOfRequests,
        PrimaryDies,
        HandOver,
        Resharding,
        WorkerDies,
        WorkerPauses,
    )
}
"""All of them, by name."""


def of_topology(topology: str, *, fleets: bool = False) -> list[str]:
    """The names of those that can break a topology, and can be used on this machine."""
    return [
        name
        for name, one in NEMESES.items()
        if topology in one.topologies and not one.missing() and (fleets or not one.is_of_fleets)
    ]
