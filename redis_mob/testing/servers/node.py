"""A server process on a port of this machine that can be killed and started again."""

from __future__ import annotations

import gc
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from random import SystemRandom
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from redis_mob.testing.servers.raw_client import RawClient

HOST = "127.0.0.1"
_POLL = 0.02
_LONGEST = 60.0
"""Seconds after which what is waited for is not going to happen."""

_ports = SystemRandom()
"""Random order seeds the `random` module alike in every process, and processes must not take the same ports."""


N = TypeVar("N", bound="Node")


class Node:
    """A server that listens on `port`; `command` starts it there, the first time and again."""

    def __init__(self, port: int, command: Sequence[str], *, host: str = HOST, **client: Any) -> None:
        self.port = port
        self._command = command
        self._client = RawClient(Redis(host, port, protocol=2, retry=Retry(NoBackoff(), 0), **client))
        self._process = self._run()

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def do(self, *command: bytes | str | int) -> Any:
        """Run a command on this server, and return its raw reply."""
        return self._client.execute_command(*command)

    @property
    def connections(self) -> int:
        """How many connections it was ever asked for."""
        return self.do("INFO", "stats")["total_connections_received"]

    def came_up(self) -> bool:
        """Wait until the server has loaded its data, or ends because another process has its port."""
        with warnings.catch_warnings():
            # `ssl` leaves a socket open that the other side has reset before the handshake
            warnings.simplefilter("ignore", ResourceWarning)
            while self.is_running:
                with suppress(ConnectionError):
                    self.do("PING")
                    return self.do("INFO", "server")["process_id"] == self._process.pid
                gc.collect()
                time.sleep(_POLL)
            return False

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def kill(self) -> None:
        """End the server with SIGKILL: it saves nothing, and its clients see a cut connection."""
        self._client.close()
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Let the server do nothing, nor hear anything, until it is told to `resume`; what is sent to it waits."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._process.send_signal(signal.SIGCONT)

    def start_again(self) -> None:
        """Start the killed server once more, where it was and with the data it has stored."""
        self._process = self._run()
        assert self.came_up(), f"the server on port {self.port} does not start again"

    def _run(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL)


def started(make: Callable[[int], N], *, bus: int = 0) -> N:
    """The node that `make` starts on a port that it is given, when it answers.

    It may also need the port that lies so much above that one.
    """
    for _ in range(5):
        node = make(_free_port(bus))
        if node.came_up():
            return node
        node.kill()
    raise RuntimeError("the server does not start on any port")


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Block until the condition holds; `what` says what did not come true after a long time."""
    deadline = time.monotonic() + _LONGEST
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(_POLL)


def _free_port(bus: int) -> int:
    """A port that is free together with that of the bus, if it needs one.

    Both lie below those that the system gives to clients, so that they stay free while the server is dead.
    """
    while True:
        port = _ports.randrange(20_000, 22_768) if bus else _ports.randrange(22_768, 30_000)
        with ExitStack() as stack:
            try:
                for wanted in {port, port + bus}:
                    stack.enter_context(socket.socket()).bind((HOST, wanted))
            except OSError:
                continue
            return port
