"""A private server for users without one: started with the storage, ended with the process that started it.

It is a real Valkey, not an imitation (decision 0008).
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from pathlib import Path

from redis_mob.connection.embedded.data_directory import DataDirectory, Holder
from redis_mob.connection.embedded.server_process import ANSWER_TIMEOUT, POLL, ServerProcess, probe
from redis_mob.connection.servers.address import UnixAddress
from redis_mob.errors import StorageUnavailableError


class EmbeddedServer:
    """A Valkey or Redis server on a Unix socket that only this user can reach; it listens on no port.

    The process that started it is its owner: the server ends when the owner closes it or ends in any way, SIGKILL
    included, also if other processes use it then. Without a data directory its data ends with it.
    """

    def __init__(self, address: UnixAddress, process: ServerProcess | None, directory: Path | None = None) -> None:
        self.address = address
        self._process = process
        self._directory = directory
        if process is not None:
            _owned.add(process)

    def __str__(self) -> str:
        """The server as errors name it: to a process that joined it the lost socket alone would say nothing."""
        # the reaper removes the socket when the server has ended
        if self.owned or Path(self.address.path).exists():
            return str(self.address)
        return f"the embedded server of {self._directory}, which has ended with the process that owned it"

    @property
    def url(self) -> str:
        """How other processes of this user reach the server."""
        return self.address.url

    @property
    def owned(self) -> bool:
        """Whether this process started the server, rather than joining the one that holds the data directory."""
        return self._process is not None

    @classmethod
    async def start(cls, directory: Path | None = None) -> EmbeddedServer:
        """Start a server, or join the one that holds `directory` already; it answers when this returns.

        Raises StorageUnavailableError when there is no server to start, when it does not start (with its last words),
        or when another process holds the directory and its server cannot be reached.
        """
        if directory is None:
            return await _launch(None, None)
        data = DataDirectory(directory)
        data.create()
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < deadline:
            if (lock := data.lock()) is not None:
                try:
                    return await _launch(data, lock)
                finally:
                    os.close(lock)  # the server has inherited a copy, so that the lock lives as long as the server
            if (holder := data.holder()) is not None:
                address = UnixAddress(holder.socket)
                if (state := await probe(address)) is not None:
                    if not state.loading:
                        return cls(address, None, directory)
                    # the server lives, so that it gets all the time that loading a large file takes
                    deadline = time.monotonic() + ANSWER_TIMEOUT
            await asyncio.sleep(POLL)
        raise StorageUnavailableError(
            f"data directory {directory} is held by {data.holder() or 'another process'}, and no server there "
            "answers this process: stop that one, or use another directory"
        )

    async def aclose(self) -> None:
        """End the server if this process owns it, and wait until it is gone. Calling it again does nothing."""
        if self._process is not None:
            await self._process.end()


async def _launch(data: DataDirectory | None, lock: int | None) -> EmbeddedServer:
    process = ServerProcess.start(data and data.path, lock)
    try:
        state = await process.answer()
        # before it has loaded, so that processes that find the lock taken know whom to wait for
        if data is not None:
            data.register(Holder.of_this_process(process.address.path, state.pid))
        await process.wait_until_loaded()
    except BaseException:
        # also after a cancellation: no owner would be left that could close the server
        await process.end()
        raise
    return EmbeddedServer(process.address, process)


_owned: weakref.WeakSet[ServerProcess] = weakref.WeakSet()


def _let_go_of_all() -> None:
    # a forked child holds the pipe to the reaper too, and the server would live as long as the child
    for process in list(_owned):
        process.let_go()


os.register_at_fork(after_in_child=_let_go_of_all)
