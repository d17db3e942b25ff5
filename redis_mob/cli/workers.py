"""The worker processes of one command: started, watched, replaced when they die, and ended with it."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Self

from redis_mob.cli.exit_status import ExitStatus, WorkersLostError
from redis_mob.cli.worker_link import STOP_GRACE, WorkerOrders
from redis_mob.cli.worker_process import WorkerProcess
from redis_mob.errors import HandlerError, RedisMobError, StorageUnavailableError
from redis_mob.fleet.presence import worker_name
from redis_mob.models.backoff import backoff

EARLY_DEATHS = 3
"""How often in a row a worker may die before it serves."""

REPLACEMENTS = 10
"""How often one worker is replaced: more often than the engine lets workers be lost over one execution."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 1.0
"""Bounds, in seconds, of the pause before a worker that never served is replaced."""


class WorkerPool:
    """`count` worker processes while the block lasts; they end with it, and also when this process is killed.

    `output` gets each line that handlers print, with the number of the worker. `on_death` is awaited with the number of
    each process that has ended without being told to, so that what it held need not wait for its lease.
    """

    def __init__(
        self,
        orders: WorkerOrders,
        count: int,
        output: Callable[[str], None],
        on_death: Callable[[int], Awaitable[None]],
    ) -> None:
        self._orders = orders
        self._output = output
        self._on_death = on_death
        self._alive: dict[int, WorkerProcess] = {}
        self._notes: list[str] = []
        self._stopping = False
        self._slots = [asyncio.create_task(self._keep(number)) for number in range(1, count + 1)]

    @property
    def alive(self) -> int:
        """How many processes run now."""
        return len(self._alive)

    def take_notes(self) -> list[str]:
        """The notes since the last call, in order; a note that several workers left is in it once."""
        notes, self._notes = self._notes, []
        return list(dict.fromkeys(notes))

    async def lost(self) -> None:
        """Raises HandlerError as soon as a worker cannot load its handlers, which are the same for all.

        Raises StorageUnavailableError or WorkersLostError when all workers have died for good. Returns when they were
        told to stop.
        """
        for slot in asyncio.as_completed(self._slots):
            try:
                await slot
            except (StorageUnavailableError, WorkersLostError):
                continue
        self._slots[-1].result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        """Tell all to stop and wait for them; kill those that take too long, and all at once after a cancellation."""
        self._stopping = True
        grace = 0.0 if kind is asyncio.CancelledError else STOP_GRACE + 1.0
        try:
            for process in self._alive.values():
                process.tell_to_stop()
            await asyncio.wait(self._slots, timeout=grace)
        finally:
            for process in self._alive.values():
                process.kill()
            await asyncio.gather(*self._slots, return_exceptions=True)

    async def drain(self) -> None:
        """Tell all to take no more work, and wait until what they execute has ended or was handed back."""
        self._stopping = True
        for process in self._alive.values():
            process.tell_to_drain()
        await asyncio.wait(self._slots)

    async def _keep(self, number: int) -> None:
        """Keep one worker running until all are told to stop."""
        early, end, last_words, name = 0, 0, "", ""
        for _ in range(REPLACEMENTS + 1):
            if self._stopping:
                return
            process, end = await self._run_one(number)
            last_words, name = process.last_words, f"worker {number} ({worker_name(process.pid)})"
            if self._stopping:
                return
            early = 0 if process.served else early + 1
            if early == EARLY_DEATHS or end == ExitStatus.USAGE:
                break
            self._notes.append(f"{name} {_how(end)}{_why(last_words)}; another one is started")
            if early:
                pause = backoff(early, first=FIRST_PAUSE, longest=LONGEST_PAUSE, uniform=random.uniform)
                await asyncio.sleep(pause)
        final = _final(name, end, last_words)
        if not isinstance(final, HandlerError):
            self._notes.append(f"{name} {_how(end)}{_why(last_words)}; it is given up")
        raise final

    async def _run_one(self, number: int) -> tuple[WorkerProcess, int]:
        """Run one process to its end; returns it and its exit status."""
        try:
            process = await WorkerProcess.start(
                self._orders,
                lambda line: self._output(f"worker {number}: {line}"),
                lambda trouble: self._notes.append(trouble),  # the list is another one each time the notes are taken
            )
        except OSError as error:
            raise WorkersLostError(f"worker {number} cannot be started: {error}") from error
        self._alive[number] = process
        if self._stopping:
            process.tell_to_stop()
        end = await process.end()
        del self._alive[number]
        if not self._stopping:
            await self._on_death(process.pid)
        return process, end


def _how(end: int) -> str:
    if end >= 0:
        return f"ended with status {end}"
    try:
        return f"was killed by {signal.Signals(-end).name}"
    except ValueError:
        return f"was killed by signal {-end}"


def _why(last_words: str) -> str:
    return f" ({last_words})" if last_words else ""


def _final(name: str, end: int, last_words: str) -> RedisMobError:
    match end:
        case ExitStatus.USAGE if last_words:
            return HandlerError(last_words)
        case ExitStatus.STORAGE if last_words:
            return StorageUnavailableError(last_words)
        case _:
            return WorkersLostError(f"workers die again and again: {name} {_how(end)}{_why(last_words)}")
