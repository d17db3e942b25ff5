"""Troubles of a server: it dies, stands still, has no room, a slow disk, or another time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import suppress

from redis.exceptions import ConnectionError, ResponseError

from redis_mob.testing.robustness.deployment import DISK, clock_library
from redis_mob.testing.robustness.nemesis import Nemesis
from redis_mob.testing.servers.node import Node

_MB = 1 << 20


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


def _revive(node: Node) -> None:
    """Start a server again that has ended, or let one go on that is still there; it takes writes again."""
    with suppress(ConnectionError, ResponseError):
        node.do("PING")
    if not node.is_running:
        node.kill()
        node.start_again()
