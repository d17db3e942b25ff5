"""Servers of one topology, started for one history, with what a nemesis needs to break them."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.testing.faults import FaultProxy, fault_proxy
from redis_mob.testing.robustness.network import Network, network
from redis_mob.testing.servers.cluster import Cluster, Shard, run_cluster, slot_of
from redis_mob.testing.servers.node import HOST, Node, started
from redis_mob.testing.servers.sentinel import SERVICE, Sentinels, run_sentinels

NAMESPACE = "robustness"

TOPOLOGIES = ("single", "cluster", "sentinel")

_SAFE = ("--appendonly", "yes", "--appendfsync", "always")
_QUICK = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")

_DOWN_AFTER = 1500
"""Milliseconds. Sentinels that are given less take a new primary for dead too, since they need a second to reach it."""

DISK = 24
"""Megabytes of a disk that is to become full."""


class Service(Protocol):
    """A primary and its replicas, whichever servers these are at the time."""

    @property
    def url(self) -> str:
        """Where clients connect."""
        ...

    @property
    def primary(self) -> Node:
        """The server that has the namespace; it may be dead."""
        ...

    @property
    def replicas(self) -> Sequence[Node]:
        """The servers that follow it."""
        ...

    def failover(self) -> None:
        """Make a replica take over from the primary, which is well; returns when that begins."""
        ...

    def wait_until_ready(self) -> None:
        """Block until there is a primary, and all replicas are in sync with it."""
        ...


class Alone:
    """One server without replicas."""

    def __init__(self, primary: Node, url: str) -> None:
        self.url = url
        self.primary = primary
        self.replicas: Sequence[Node] = ()

    def failover(self) -> None:
        """There is no replica."""
        raise NotImplementedError("one server has no failover")

    def wait_until_ready(self) -> None:
        """It is ready once it answers."""
        assert self.primary.is_running or self.primary.came_up(), "the server is not there"


class WorkerCrew(Protocol):
    """The worker processes of a fleet."""

    @property
    def alive(self) -> list[asyncio.subprocess.Process]:
        """The workers that have not ended."""
        ...

    async def hire(self) -> None:
        """Start one worker more."""
        ...


@dataclass
class Deployment:
    """Running servers. `url` is where clients connect, `nemesis_url` past what breaks the network between.

    `place` is the directory of a server that is alone, `clock` the file that sets its clock, if it has one of its own.
    """

    topology: str
    durability: str
    url: str
    service: Service
    cluster: Cluster | None = None
    proxy: FaultProxy | None = None
    network: Network | None = None
    crew: WorkerCrew | None = None
    place: Path | None = None
    clock: Path | None = None


@asynccontextmanager
async def deployed(topology: str, durability: str, *, needs: str = "") -> AsyncGenerator[Deployment]:
    """Servers of a topology until the block ends, for clients that ask for a durability.

    `needs` is what a nemesis breaks them with: `proxy`, `network`, `disk` or `clock`, each for a server that is alone.
    """
    async with AsyncExitStack() as stack:
        if topology == "single":
            deployment = await asyncio.to_thread(stack.enter_context, _alone(durability, needs))
        elif topology == "cluster":
            cluster = await asyncio.to_thread(
                stack.enter_context, run_cluster(*_QUICK, "--cluster-node-timeout", "1000", replicas=1)
            )
            shard = cluster.shard(slot_of(NAMESPACE))
            deployment = Deployment(topology, durability, shard.url, shard, cluster)
        else:
            sentinels = await asyncio.to_thread(stack.enter_context, run_sentinels())
            for sentinel in sentinels.sentinels:
                sentinel.do("SENTINEL", "SET", SERVICE, "down-after-milliseconds", _DOWN_AFTER)
            deployment = Deployment(topology, durability, sentinels.url, sentinels)
        if needs == "proxy":
            deployment.proxy = await stack.enter_async_context(fault_proxy(deployment.url))
            deployment.url = deployment.proxy.url
        yield deployment


@contextmanager
def _alone(durability: str, needs: str) -> Generator[Deployment]:
    """A server of its own; one that keeps nothing on its disk but what it is told to save, if nothing is to be safe."""
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as name:
        place = Path(name, "data")
        place.mkdir()
        wrapped, clock, host = [], None, HOST
        with (
            _small_disk(place) if needs == "disk" else _nothing(),
            network() if needs == "network" else _nothing() as net,
        ):
            if needs == "clock":
                clock = Path(name, "clock")
                clock.write_text("+0")
                wrapped = with_own_clock(clock)
            if net is not None:
                wrapped, host = net.command, net.address
            kept = _SAFE if durability == "fsync" else ()
            command = [*wrapped, str(find_server()), "--bind", host, "--dir", str(place), "--save", "", *kept]
            command += ["--protected-mode", "no"]
            server = started(lambda port: Node(port, [*command, "--port", str(port)], host=host))
            try:
                url = f"redis://{host}:{server.port}"
                yield Deployment("single", durability, url, Alone(server, url), network=net, place=place, clock=clock)
            finally:
                server.resume()
                server.kill()
                if clock is not None:
                    _forget_clock(server.pid)


def _forget_clock(pid: int) -> None:
    """Remove what libfaketime has made in shared memory for a program that could not do so when it was killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)  # noqa: S108


@contextmanager
def _small_disk(place: Path) -> Generator[None]:
    """A file system of its own at a directory, in the memory of the machine."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(place)], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


@contextmanager
def _nothing() -> Generator[None]:
    yield None


def clock_library() -> Path | None:
    """The library of the package faketime, by which a program sees another time; None if it is not installed."""
    for folder in Path("/usr/lib").glob("*/faketime"):
        if (library := folder / "libfaketimeMT.so.1").exists():
            return library
    return None


def with_own_clock(clock: Path) -> list[str]:
    """What stands before a command so that its program sees the time of a file, which may change."""
    library, env = clock_library(), shutil.which("env")
    assert library is not None, "the nemesis has asked for it before"
    assert env is not None, "every system has it"
    return [
        env,
        f"LD_PRELOAD={library}",
        f"FAKETIME_TIMESTAMP_FILE={clock}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]


def is_replicated(service: Service) -> bool:
    """Whether there is a replica that can take over."""
    return isinstance(service, Shard | Sentinels)
