"""The worker processes of one command: started, watched, replaced when they die, and ended with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import redis_mob
from redis_mob.cli.worker_link import STOP_GRACE, ExitStatus, Report, ReportKind, WorkerOrders
from redis_mob.errors import HandlerError, RedisMobError, StorageUnavailableError

EARLY_DEATHS = 3
"""How often in a row a worker may die before it serves."""

REPLACEMENTS = 10
"""How often one worker is replaced: more often than the engine lets workers vanish over one execution."""

FIRST_PAUSE = 0.1
"""Seconds before a worker that never served is replaced; each time twice as long."""

_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop()); from redis_mob.cli.worker import main; main()"
"""A worker imports the library from where this process has it; with -P, no module of the working directory hides one
of the standard library's, as with the command itself."""

_CHUNK = 65_536


class WorkersLostError(RedisMobError):
    """The worker processes die again and again; the message says how the last one ended."""


class WorkerPool:
    """`count` worker processes while the block lasts; they end with it, and also when this process is killed.

    Each has a session of its own, so that Ctrl-C reaches this process alone, and takes everything that its handlers
    started with it when it ends. `output` gets each line that handlers print, with the number of the worker.
    """

    def __init__(self, orders: WorkerOrders, count: int, output: Callable[[str], None]) -> None:
        self._orders = orders.encode()
        self._output = output
        self._alive: dict[int, Process] = {}
        self._notes: list[str] = []
        self._stopping = False
        self._slots = [asyncio.create_task(self._keep(number)) for number in range(1, count + 1)]

    @property
    def alive(self) -> int:
        """How many processes run now."""
        return len(self._alive)

    def take_notes(self) -> list[str]:
        """What was worth telling since the last call, in order; what several workers said alike stands once."""
        notes, self._notes = self._notes, []
        return list(dict.fromkeys(notes))

    async def lost(self) -> None:
        """Raises when all workers have died for good: HandlerError when the last could not load its handlers,
        StorageUnavailableError when it could not reach the storage, else WorkersLostError. Returns when they were
        told to stop.
        """
        await asyncio.wait(self._slots)
        self._slots[-1].result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        """Tell all to stop and wait for them; kill those that take too long, and all at once after a cancellation."""
        self._stopping = True
        grace = 0.0 if kind is asyncio.CancelledError else STOP_GRACE + 1.0
        try:
            for process in self._alive.values():
                _tell_to_stop(process)
            await asyncio.wait(self._slots, timeout=grace)
        finally:
            for process in self._alive.values():
                _kill(process)
            await asyncio.gather(*self._slots, return_exceptions=True)

    async def _keep(self, number: int) -> None:
        """Keep one worker running until all are told to stop."""
        early, end, last_words = 0, 0, ""
        for _ in range(REPLACEMENTS + 1):
            if self._stopping:
                return
            served, end, last_words = await self._run_one(number)
            if self._stopping:
                return
            early = 0 if served else early + 1
            if early == EARLY_DEATHS or end == ExitStatus.USAGE:
                break
            self._notes.append(f"worker {number} {_how(end)}{_why(last_words)}; another one takes its place")
            if early:
                await asyncio.sleep(FIRST_PAUSE * 2**early)
        self._notes.append(f"worker {number} {_how(end)}{_why(last_words)}; it is given up")
        raise _final(number, end, last_words)

    async def _run_one(self, number: int) -> tuple[bool, int, str]:
        """Run one process to its end: whether it came to serve, its exit status, and why it ended if it said so."""
        process = await _started(number)
        self._alive[number] = process
        try:
            await _send(process, self._orders)
            if self._stopping:
                _tell_to_stop(process)
            reading = asyncio.gather(self._heard(number, process), self._copied(number, process))
            end = await process.wait()
            _kill(process)
            served, last_words = (await reading)[0]
        finally:
            del self._alive[number]
        return served, end, last_words

    async def _heard(self, number: int, process: Process) -> tuple[bool, str]:
        served, last_words = False, ""
        async for line in _lines(process.stdout):
            report = Report.decode(line)
            if report is None:
                self._tell_output(number, line)
            elif report.kind is ReportKind.READY:
                served = True
            elif report.kind is ReportKind.TROUBLE:
                self._notes.append(report.text)
            else:
                last_words = report.text
        return served, last_words

    async def _copied(self, number: int, process: Process) -> None:
        async for line in _lines(process.stderr):
            self._tell_output(number, line)

    def _tell_output(self, number: int, line: bytes) -> None:
        self._output(f"worker {number}: {line.decode(errors='replace')}")


async def _started(number: int) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-c",
            _PROGRAM,
            str(Path(redis_mob.__file__).parent.parent),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise WorkersLostError(f"worker {number} cannot be started: {error}") from error


async def _send(process: Process, orders: bytes) -> None:
    assert process.stdin is not None, "the process was started with a pipe"  # noqa: S101
    process.stdin.write(orders)
    with suppress(ConnectionError):  # it is gone already; how it ended says why
        await process.stdin.drain()


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    """The lines of a pipe, however long, without their ends; the last one may lack its end."""
    assert stream is not None, "the process was started with a pipe"  # noqa: S101
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line
    if rest:
        yield rest


def _tell_to_stop(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _kill(process: Process) -> None:
    """End the process and all it started."""
    with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS tells it in the second way
        os.killpg(process.pid, signal.SIGKILL)


def _how(end: int) -> str:
    if end >= 0:
        return f"ended with status {end}"
    try:
        return f"was killed by {signal.Signals(-end).name}"
    except ValueError:
        return f"was killed by signal {-end}"


def _why(last_words: str) -> str:
    return f" ({last_words})" if last_words else ""


def _final(number: int, end: int, last_words: str) -> RedisMobError:
    match end:
        case ExitStatus.USAGE if last_words:
            return HandlerError(last_words)
        case ExitStatus.STORAGE if last_words:
            return StorageUnavailableError(last_words)
        case _:
            return WorkersLostError(f"workers die again and again: worker {number} {_how(end)}{_why(last_words)}")
