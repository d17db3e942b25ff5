"""Keeps the leases of a worker's process while a handler holds its interpreter, so that no thread there can renew them.

The process starts this file as a program of its own, which is small because it imports the standard library alone, and
tells it by its standard input whenever a thread has renewed a lease. The keeper renews a lease itself only when it has
heard nothing of it for half of its time, and the process neither has ended nor is stopped. It does so in a fork, which
imports what it takes, has the only connection, and is killed as soon as the thread is heard of again.

usage: lease_keeper.py PATHS OWNER
PATHS is `sys.path` of the process as JSON, OWNER its id. A line of the standard input is a JSON array: a lease, as the
fields of a `WorkerLease`, and when it was renewed by the system's monotonic clock, or null when it is over. What it is
from is a socket, by which the keeper answers once if its forks fail again and again: with the reason, a line of JSON.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

LATE = 0.5
"""After which part of a lease without a renewal the keeper renews it. A thread renews it after each third."""

LOOKS_PER_LEASE = 10
"""How often the keeper looks, while a lease is late, whether the process still runs."""

LONGEST_PAUSE = 60.0
"""Seconds after which the keeper looks at least whether its owner has ended.

Its standard input says so at once, unless another process has inherited the other end of that.
"""

TRIES = 3
"""How often a fork may fail before the pauses between its tries grow, and the owner is told why."""

LOST = 3
"""The exit status of a fork that was told that the lease is lost."""

_PACKAGE = Path(__file__).parent.parent
_CHUNK = 65536
_LONGEST_REASON = 500

Lease = tuple[str, str, str, int, float]
"""The fields of a `WorkerLease`; its bytes are a text in latin-1 here."""


class Watched:
    """One lease, and when it was last renewed by its thread. All times are seconds of one clock."""

    def __init__(self, seconds: float, renewed_at: float) -> None:
        self.seconds = seconds
        self.renewed_at = renewed_at
        self.failures = 0
        self._next_try = renewed_at

    def renewed(self, at: float) -> None:
        """The thread has renewed it."""
        self.renewed_at = max(self.renewed_at, at)
        self.failures, self._next_try = 0, self.renewed_at

    def failed(self, now: float) -> None:
        """A fork that was to renew it has failed."""
        self.failures += 1
        pause = self.seconds / LOOKS_PER_LEASE
        for _ in range(self.failures - TRIES + 1):
            pause = min(pause * 2, LONGEST_PAUSE)
        self._next_try = now + (pause if self.failures >= TRIES else 0.0)

    def may_be_tried(self, now: float) -> bool:
        """Whether a fork may be made that renews it."""
        return now >= self._next_try

    def is_late(self, now: float) -> bool:
        """Whether the thread should have been heard of."""
        return now >= self.renewed_at + self.seconds * LATE

    def pause(self, now: float) -> float:
        """For how many seconds there is no need to look at it."""
        if self.is_late(now):
            return self.seconds / LOOKS_PER_LEASE
        return self.renewed_at + self.seconds * LATE - now


class Fork(NamedTuple):
    """A process that renews one lease, and the end of the pipe by which it says why it has failed."""

    process: int
    reason: int


class Keeper:
    """The leases of one process, and the forks that renew those which are late."""

    def __init__(self, owner: int) -> None:
        self._owner = owner
        self._watched: dict[Lease, Watched] = {}
        self._forks: dict[Lease, Fork] = {}
        self._has_told = False

    def keep(self) -> None:
        """Keep the leases that standard input tells of, until the owner ends."""
        told = b""
        try:
            while True:
                now = monotonic()
                pause = min((one.pause(now) for one in self._watched.values()), default=LONGEST_PAUSE)
                if select.select([0], [], [], min(pause, LONGEST_PAUSE))[0]:
                    if not (data := os.read(0, _CHUNK)):
                        return
                    *lines, told = (told + data).split(b"\n")
                    for line in lines:
                        self._hear(*json.loads(line))
                if os.getppid() != self._owner:
                    return
                self._look()
        finally:
            for lease in list(self._forks):
                self._end_fork(lease)

    def _hear(self, fields: list[Any], renewed_at: float | None) -> None:
        url, namespace, worker, milliseconds, pause = fields
        lease: Lease = (url, namespace, worker, milliseconds, pause)
        if renewed_at is None:
            self._watched.pop(lease, None)
            self._end_fork(lease)
        elif lease in self._watched:
            self._watched[lease].renewed(renewed_at)
        else:
            self._watched[lease] = Watched(milliseconds / 1000, renewed_at)

    def _look(self) -> None:
        now, state = monotonic(), ""
        for lease, watched in list(self._watched.items()):
            if not watched.is_late(now):
                self._end_fork(lease)
            elif runs(state := state or state_of(self._owner)):
                self._renew(lease, watched, now)
            else:
                self._end_fork(lease)

    def _renew(self, lease: Lease, watched: Watched, now: float) -> None:
        """Have a fork renew the lease, unless that goes on already, has found it lost, or has failed too often."""
        if (fork := self._forks.get(lease)) is not None:
            ended, status = os.waitpid(fork.process, os.WNOHANG)
            if not ended:
                return
            del self._forks[lease]
            reason = os.read(fork.reason, _LONGEST_REASON).decode(errors="replace")
            os.close(fork.reason)
            if (code := os.waitstatus_to_exitcode(status)) == LOST:
                del self._watched[lease]  # the thread learns that by itself, when it can
                return
            self._failed(watched, now, reason or f"exit status {code}")
        if watched.may_be_tried(now):
            try:
                self._forks[lease] = _forked(lease)
            except OSError as error:  # the system has no room for it
                self._failed(watched, now, str(error))

    def _failed(self, watched: Watched, now: float, reason: str) -> None:
        watched.failed(now)
        if watched.failures >= TRIES and not self._has_told:
            self._has_told = True
            with suppress(OSError):  # the owner has ended
                os.write(0, json.dumps(reason).encode() + b"\n")

    def _end_fork(self, lease: Lease) -> None:
        if (fork := self._forks.pop(lease, None)) is not None:
            os.kill(fork.process, signal.SIGKILL)
            os.waitpid(fork.process, 0)
            os.close(fork.reason)


def runs(state: str) -> bool:
    """Whether a process in this state may go on by itself: it is neither stopped, a zombie nor gone."""
    return state[:1] not in ("", "T", "t", "Z", "X")


def state_of(process: int) -> str:
    """The state of a process as a letter, as the system writes it; empty if there is no such process."""
    if sys.platform == "linux":
        with suppress(OSError):
            # behind the name of the program, which stands in parentheses and may hold any character
            return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        return ""
    import subprocess

    command = ("ps", "-o", "state=", "-p", str(process))
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _forked(lease: Lease) -> Fork:
    """A new process that renews the lease. Raises OSError if the system has no room for it."""
    keeper = os.getpid()
    reason, told = os.pipe()
    try:
        process = os.fork()
    except OSError:
        os.close(reason)
        os.close(told)
        raise
    if process:
        os.close(told)
        return Fork(process, reason)
    status = 1
    try:
        os.close(0)  # so that the owner notices when the keeper has ended
        os.open(os.devnull, os.O_RDONLY)
        _renew_until_lost(lease, keeper)
        status = LOST
    except BaseException as error:  # noqa: BLE001 - what it imports may raise anything
        os.write(told, f"{type(error).__name__}: {error}".encode(errors="replace")[:_LONGEST_REASON])
    finally:
        os._exit(status)


def _renew_until_lost(lease: Lease, keeper: int) -> None:
    for name in ("redis_mob", "redis_mob.models"):
        _import_nothing_of(name)
    import asyncio

    from redis_mob.stores import lease_renewal

    url, namespace, worker, milliseconds, pause = lease
    order = lease_renewal.WorkerLease(url, namespace, worker.encode("latin-1"), milliseconds, pause)

    @asynccontextmanager
    async def connecting() -> AsyncGenerator[Callable[[], Awaitable[bool]]]:
        async with lease_renewal.renewing(order) as renew:

            async def renew_for_keeper() -> bool:
                if os.getppid() != keeper:  # it was killed: nothing would end this
                    os._exit(1)
                return await renew()

            yield renew_for_keeper

    asyncio.run(lease_renewal.renew_until_lost(connecting, pause))


def _import_nothing_of(package: str) -> None:
    """Let a package stand without what its `__init__` imports: all that users may need, which takes half a second."""
    folder = _PACKAGE.parent.joinpath(*package.split("."))
    spec = spec_from_file_location(package, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is not None:
        sys.modules[package] = module_from_spec(spec)


def main(paths: str, owner: str) -> None:
    """Keep the leases of a process until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # These are meant for the owner, which may take its time to end and needs its leases until then.
        signal.signal(number, signal.SIG_IGN)
    sys.path[:] = json.loads(paths)
    Keeper(int(owner)).keep()


if __name__ == "__main__":
    main(*sys.argv[1:])
