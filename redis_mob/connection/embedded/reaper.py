"""Runs an embedded server for its owner and ends it when the owner is gone, however it went.

The owner starts this file as a program of its own, with the standard library alone so that it starts fast, and holds
the other end of its standard input. The kernel closes that end when the owner ends, even by SIGKILL.

usage: reaper.py DIRECTORY LOCK COMMAND...
DIRECTORY is removed at the end. LOCK is the number of an open file whose lock must live as long as the server, or -.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from types import FrameType

GRACE = 10.0
"""Seconds that the server has to write its data after it was told to end."""


def _end_with_owner(server: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        pass
    server.terminate()
    try:
        server.wait(GRACE)
    except subprocess.TimeoutExpired:
        server.kill()


def _pay_no_heed(_number: int, _frame: FrameType | None) -> None:
    """A handler, where SIG_IGN would be inherited by the server, which then misses an early order to end."""


def main(directory: str, lock: str, *command: str) -> int:
    """Run the server until it or its owner ends; the status is that of the server."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _pay_no_heed)
    try:
        kept = () if lock == "-" else (int(lock),)
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=kept)  # noqa: S603
        # in a thread, because reading the pipe blocks as waiting for the server does
        threading.Thread(target=_end_with_owner, args=(server,), daemon=True).start()
        return server.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
