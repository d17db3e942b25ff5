"""One worker process of `redis-mob run`; see `worker_link` for how it is told what to do.

It ends when its standard input does, that is, with the process that started it, however that ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.serving import look_less_for_garbage, storage_of, worker_of
from redis_mob.cli.worker_link import DRAIN, HAND_BACK_GRACE, STOP_GRACE, Report, ReportKind, WorkerOrders
from redis_mob.errors import HandlerError, RedisMobError
from redis_mob.fleet import failure_log
from redis_mob.fleet.handler_loading import load_handlers


class Link:
    """The worker's end of the link, taken away from handlers: their input is empty, their output is for people."""

    def __init__(self) -> None:
        self.cut = False
        self._orders = os.fdopen(os.dup(0), "rb", buffering=0)
        self._reports = os.dup(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)

    def read_orders(self) -> WorkerOrders | None:
        """The orders; None if the one that should give them is gone already."""
        line = self._orders.readline()
        return WorkerOrders.decode(line) if line else None

    def wait(self) -> bool:
        """Whether the worker is to drain; False when the link is cut."""
        self.cut = self._orders.read(1) != DRAIN
        return not self.cut

    def report(self, kind: ReportKind, text: str = "") -> None:
        """Tell the other side, if it is still there."""
        line = Report(kind, text).encode()
        while line:
            try:
                line = line[os.write(self._reports, line) :]
            except BrokenPipeError:
                return


class _ReportingHandler(logging.Handler):
    """Sends what the library logs through the link."""

    def __init__(self, link: Link) -> None:
        super().__init__(logging.WARNING)
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        self._link.report(ReportKind.TROUBLE, self.format(record))


def main() -> None:
    """Work until the link is cut, then leave at once: a handler in a thread of its own may never come to an end."""
    link = Link()
    orders = link.read_orders()
    status = ExitStatus.COMPLETED if orders is None else _work(orders, link)
    sys.stdout.flush()
    sys.stderr.flush()
    if link.cut:
        _leave_with_all()
    os._exit(status)


def _work(orders: WorkerOrders, link: Link) -> ExitStatus:
    library = logging.getLogger("redis_mob")
    library.addHandler(_ReportingHandler(link))
    library.propagate = False
    failure_log.LOGGER.disabled = True  # the display tells what failed, from the run itself
    try:
        asyncio.run(_serve(orders, link))
    except HandlerError as error:
        link.report(ReportKind.FATAL, str(error))
        return ExitStatus.USAGE
    except RedisMobError as error:
        link.report(ReportKind.FATAL, str(error))
        return ExitStatus.STORAGE
    except Exception as error:  # noqa: BLE001 - the one that started this process decides what becomes of it
        link.report(ReportKind.FATAL, f"{type(error).__name__}: {error}")
        return ExitStatus.FAILED
    return ExitStatus.COMPLETED


async def _serve(orders: WorkerOrders, link: Link) -> None:
    stop = asyncio.Event()
    handlers = load_handlers(orders.handler)
    async with storage_of(orders) as storage:
        worker = worker_of(orders, storage, handlers)
        look_less_for_garbage()
        working = asyncio.create_task(worker.run(stop, timedelta(seconds=orders.drain_timeout)))
        arguments = (link, stop.set, working.cancel, asyncio.get_running_loop())
        threading.Thread(target=_stop_with_link, args=arguments, daemon=True).start()
        link.report(ReportKind.READY)
        with suppress(asyncio.CancelledError):
            await working


def _stop_with_link(
    link: Link, stop: Callable[[], object], hand_back: Callable[[], object], loop: asyncio.AbstractEventLoop
) -> None:
    """Runs in a thread of its own, so that no handler that blocks can keep the process alive."""
    with suppress(RuntimeError):  # the loop may be over already
        while link.wait():
            loop.call_soon_threadsafe(stop)
        loop.call_soon_threadsafe(stop)
        time.sleep(STOP_GRACE - HAND_BACK_GRACE)
        loop.call_soon_threadsafe(hand_back)
        time.sleep(HAND_BACK_GRACE)
    _leave_with_all()


def _leave_with_all() -> NoReturn:
    """End this process and what its handlers started; the process that started this one may be gone."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(ExitStatus.FAILED)


if __name__ == "__main__":
    main()
