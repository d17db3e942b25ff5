"""A process of the command that `fork_server` forks; it is used as a `subprocess.Popen` is."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent.parent


class ForkedProcess:
    """`python -m redis_mob` with these arguments, its output in pipes; see `subprocess.Popen` for all of it."""

    def __init__(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], stderr: int | IO[Any]
    ) -> None:
        self.returncode: int | None = None
        self.stderr: IO[bytes] | None = None
        request = json.dumps([arguments, str(directory), dict(environment)]).encode()
        with ExitStack() as theirs:
            stdin = theirs.enter_context(Path(os.devnull).open())
            self.stdout, stdout = _pipe(theirs)
            if stderr == subprocess.PIPE:
                self.stderr, stderr = _pipe(theirs)
            self._told, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            theirs.enter_context(teller)
            files = (stdin, stdout, stderr, teller)
            numbers = [file if isinstance(file, int) else file.fileno() for file in files]
            socket.send_fds(_fork_server(), [request], numbers)
        self.pid = int(self._told.recv(16))

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(16))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + timeout
        read: dict[IO[bytes] | None, bytes] = {self.stdout: b"", self.stderr: b""}
        with selectors.DefaultSelector() as selector:
            for pipe in read:
                if pipe is not None and not pipe.closed:
                    selector.register(pipe, selectors.EVENT_READ, pipe)
            while selector.get_map():
                if not (ready := selector.select(deadline - time.monotonic())):
                    raise subprocess.TimeoutExpired(str(self.pid), timeout)
                for key, _ in ready:
                    read[key.data] += (part := os.read(key.fd, 65_536))
                    if not part:
                        selector.unregister(key.data)
        self.wait(max(deadline - time.monotonic(), 0))
        return read[self.stdout], read.get(self.stderr, b"")


def _pipe(theirs: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Both ends of a pipe, for reading and for writing; the second is closed with the block, the first holds nothing
    back from those who read its descriptor.
    """
    ours, other = os.pipe()
    return os.fdopen(ours, "rb", buffering=0), theirs.enter_context(os.fdopen(other, "wb", buffering=0))


@cache
def _fork_server() -> socket.socket:
    """The socket to the fork server of this test process, which ends with that."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.fork_server", str(theirs.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        control.close()
        process.wait()

    atexit.register(end)
    return control
