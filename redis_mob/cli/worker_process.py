"""One worker process as the command that started it sees it: its reports, its output, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from redis_mob.cli.worker_link import DRAIN, Report, ReportKind, WorkerOrders

_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop()); from redis_mob.cli.worker import main; main()"
"""A worker imports the library from where this process has it; with -P, no module of the working directory hides one
of the standard library's, as with the command itself."""

_ROOT = str(Path(__file__).parents[2])

_REPORTS, _OUTPUT = 1, 2

_LAST_WORDS = 1.0
"""Seconds that the pipes of a process that has ended, and whose children were killed, have to run empty."""


class WorkerProcess(asyncio.SubprocessProtocol):
    """`served` says whether it reported that it is ready, `last_words` is the reason it gave for its end, if any.

    It has a session of its own, so that Ctrl-C does not reach it, and what its handlers start ends with it.
    """

    def __init__(self, output: Callable[[str], None], trouble: Callable[[str], None]) -> None:
        self.served = False
        self.last_words = ""
        self._output = output
        self._trouble = trouble
        self._rest = {_REPORTS: b"", _OUTPUT: b""}
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._emptied = asyncio.Event()

    @classmethod
    async def start(
        cls, orders: WorkerOrders, output: Callable[[str], None], trouble: Callable[[str], None]
    ) -> WorkerProcess:
        """Start a process with these orders. Raises OSError when the system has no room for it."""
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(output, trouble), sys.executable, "-P", "-c", _PROGRAM, _ROOT, start_new_session=True
        )
        process._send(orders.encode())
        return process

    async def end(self) -> int:
        """Wait for the end of the process, then of all that its handlers started; returns its exit status, which is
        negative after a signal."""
        await self._exited.wait()
        self.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._emptied.wait()
        assert self._transport is not None, "it has started"  # noqa: S101
        self._transport.close()
        return self._transport.get_returncode() or 0

    def tell_to_stop(self) -> None:
        """Cut the link: the process ends as soon as it can, and after its grace in any case."""
        if (pipe := self._input()) is not None:
            pipe.close()

    def tell_to_drain(self) -> None:
        """Let the process take no more work, and end when what it executes has ended."""
        self._send(DRAIN)

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._transport is not None, "it has started"  # noqa: S101
        return self._transport.get_pid()

    def kill(self) -> None:
        """End the process at once, with everything in its session."""
        if self._transport is not None:
            # The group may be empty, which macOS reports as PermissionError.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        *lines, self._rest[fd] = (self._rest[fd] + cast("bytes", data)).split(b"\n")
        for line in lines:
            self._take(fd, line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if rest := self._rest.get(fd):
            self._take(fd, rest)

    def process_exited(self) -> None:
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._emptied.set()

    def _send(self, data: bytes) -> None:
        if (pipe := self._input()) is not None:
            pipe.write(data)

    def _input(self) -> asyncio.WriteTransport | None:
        pipe: Any = None if self._transport is None else self._transport.get_pipe_transport(0)
        return pipe

    def _take(self, fd: int, line: bytes) -> None:
        report = Report.decode(line) if fd == _REPORTS else None
        if report is None:
            self._output(line.decode(errors="replace"))
        elif report.kind is ReportKind.READY:
            self.served = True
        elif report.kind is ReportKind.TROUBLE:
            self._trouble(report.text)
        else:
            self.last_words = report.text
