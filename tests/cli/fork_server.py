"""A process that has imported what all commands need, and forks a process for each command that is to be run.

To start Python and to import as much takes about a second of a processor's time, to fork a hundredth of that. What
single commands import besides, the forked process imports, in the order in which it would do that without this.
`forked_process` has the side of the tests.
"""

from __future__ import annotations

import compileall
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import NamedTuple, TextIO

import redis_mob.cli

COMMON = (
    "redis_mob.cli.app",
    "redis_mob.cli.display",
    "redis_mob.cli.existing",
    "redis_mob.connection.embedded.server",
    "redis_mob.flows.mob",
    "redis_mob.operations.fleet_admin",
)
LONGEST_REQUEST = 1 << 18


class Request(NamedTuple):
    """What a process is to be: its arguments, working directory, environment, standard input, output and error; and
    the socket by which its id and its exit status are told.
    """

    arguments: list[str]
    directory: str
    environment: dict[str, str]
    standard: list[int]
    teller: socket.socket

    @classmethod
    def received(cls, control: socket.socket) -> Request | None:
        """The next request; None when there will be none."""
        content, descriptors, _, _ = socket.recv_fds(control, LONGEST_REQUEST, 4)
        if not content:
            return None
        arguments, directory, environment = json.loads(content)
        *standard, teller = descriptors
        return cls(arguments, directory, environment, standard, socket.socket(fileno=teller))


def serve(control: socket.socket) -> Request | None:
    """Fork a process for each request. Returns the request in that process, and None in this one, at the end of all."""
    running: dict[int, tuple[int, socket.socket]] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready != control.fileno():
                poll.unregister(ready)
                pid, teller = running.pop(ready)
                os.close(ready)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(OSError), teller:  # the test may be over
                    teller.send(str(status).encode())
                continue
            if (request := Request.received(control)) is None:
                return None
            if not (pid := os.fork()):
                for descriptor in running:
                    os.close(descriptor)
                return request
            for descriptor in request.standard:
                os.close(descriptor)
            request.teller.send(str(pid).encode())
            end = os.pidfd_open(pid)
            running[end] = (pid, request.teller)
            poll.register(end, select.POLLIN)


def become(request: Request) -> None:
    """Make this process what it would be, had it been started as `python -m redis_mob`."""
    for number, descriptor in enumerate(request.standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    request.teller.close()
    sys.stdin = sys.__stdin__ = _text(0, "rb", "strict")
    sys.stdout = sys.__stdout__ = _text(1, "wb", "strict")
    sys.stderr = sys.__stderr__ = _text(2, "wb", "backslashreplace")
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[0] = request.directory
    sys.argv[:] = [f"{redis_mob.__path__[0]}/__main__.py", *request.arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _text(descriptor: int, mode: str, errors: str) -> TextIO:
    """A standard stream as Python makes it when it starts."""
    at_once = descriptor == 2 or os.isatty(descriptor)
    return io.TextIOWrapper(os.fdopen(descriptor, mode, closefd=False), "utf-8", errors, line_buffering=at_once)


if __name__ == "__main__":
    for module in COMMON:
        importlib.import_module(module)
    compileall.compile_dir(redis_mob.cli.__path__[0], quiet=1)  # commands write no bytecode
    gc.freeze()  # what is collected would be copied
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, which end this
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        asked = serve(listening)
    if asked is not None:
        become(asked)
        redis_mob.cli.main()
