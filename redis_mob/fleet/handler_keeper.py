"""Keeps the process of one isolated handler: both end when the worker is gone, with all that the handler has started.

The worker starts this file as a program of its own, which is small because it imports the standard library alone, and
holds the other end of its standard input. The kernel closes that end when the worker ends, even by SIGKILL. The
handler's process is a fork of this one; it may hold its interpreter, and could not look at any pipe.

usage: handler_keeper.py PATHS LINK
PATHS is `sys.path` of the worker as JSON, LINK the number of the open socket to it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from types import FrameType


def _end_with_worker() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _pay_no_heed(_number: int, _frame: FrameType | None) -> None:
    """The signal is meant for the handler, which is of the same group."""


def _keep(handler: int) -> None:
    """Wait until the process of the handler ends, and end in the same way."""
    signal.signal(signal.SIGTERM, _pay_no_heed)
    # in a thread, because reading the pipe blocks as waiting for the process does
    threading.Thread(target=_end_with_worker, daemon=True).start()
    _, status = os.waitpid(handler, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a second image of memory would say nothing
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def main(paths: str, link: str) -> None:
    """Fork, and be both: the keeper, and the process that it keeps."""
    if handler := os.fork():
        os.close(int(link))
        _keep(handler)
        return
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    sys.path[:] = json.loads(paths)
    from redis_mob.fleet.handler_process import main as call_handler

    call_handler(int(link))


if __name__ == "__main__":
    main(*sys.argv[1:])
