"""`redis-mob worker`: a worker that is a process of its own, until SIGTERM drains it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.health import Health, health_file, keep_looking
from redis_mob.cli.serving import look_less_for_garbage, storage_of, worker_of
from redis_mob.cli.worker_link import HAND_BACK_GRACE, WorkerOrders
from redis_mob.cli.worker_ports import WorkerPorts
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import HandlerError, shown
from redis_mob.fleet.presence import worker_name
from redis_mob.fleet.step_context import ALL_ROLES, Handler, handler_for
from redis_mob.models.definition import MobDefinition

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceOrder:
    """Everything that the command line says about a worker, read and checked."""

    worker: WorkerOrders
    handlers: Mapping[str, Handler]
    health_file: Path | None
    ports: WorkerPorts


def served(handlers: Mapping[str, Handler], roles: list[str], definition: MobDefinition) -> dict[str, Handler]:
    """The handlers of these roles, of all if none is named.

    Raises HandlerError for a role that the definition does not have, or that no handler is for.
    """
    if not roles:
        return dict(handlers)
    found: dict[str, Handler] = {}
    for role in roles:
        if role not in definition.profiles:
            known = ", ".join(map(shown, definition.profiles)) or "none"
            raise HandlerError(f"--roles {shown(role)}: mob {shown(definition.id)} has no such role; it has: {known}")
        handler = handler_for(handlers, role)
        if handler is None:
            raise HandlerError(
                f"--roles {shown(role)}: no handler is for it; there are handlers for {', '.join(map(shown, handlers))}"
            )
        found[role] = handler
    return found


def log_to_stderr() -> None:
    """Write what the library warns of to standard error, unless the modules of the handlers have set up logging."""
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    _log.setLevel(logging.INFO)


async def serve(order: ServiceOrder) -> ExitStatus:
    """Work until SIGTERM or SIGINT, then let what is under way end. A second one hands it back, and ends at once.

    Raises what opening the storage and `Worker.run` raise, and ValidationError for a file or port that cannot be used.
    """
    orders, stop = order.worker, asyncio.Event()
    health = Health(worker_name(), orders.namespace, orders.lease)
    with _signals(stop, health, order.health_file) as interrupts, health_file(order.health_file):
        async with order.ports.answering(health), storage_of(orders) as storage:
            worker = worker_of(orders, storage, order.handlers)
            look_less_for_garbage()
            working = asyncio.create_task(worker.run(stop, timedelta(seconds=orders.drain_timeout)))
            interrupts.end_at_once = working.cancel
            looking = asyncio.create_task(
                keep_looking(
                    health, storage.executions, worker, order.health_file, lambda: _log.info(_begins(health, order))
                )
            )
            try:
                await working
            except asyncio.CancelledError:
                if interrupts.count < 2:
                    raise
                _log.info("worker %s ends at once; what it executed is handed back", health.name)
                return ExitStatus.FAILED
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
            _log.info("worker %s has drained in %.1f s, and ends", health.name, interrupts.seconds)
    return ExitStatus.COMPLETED


def leave(status: int) -> NoReturn:
    """End this process, also if threads of handlers go on."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def leave_soon(status: int) -> None:
    """End this process when a grace is over: a thread of a handler may keep the event loop from being closed."""

    def wait() -> None:
        time.sleep(HAND_BACK_GRACE)
        leave(status)

    threading.Thread(target=wait, daemon=True).start()


def _begins(health: Health, order: ServiceOrder) -> str:
    orders = order.worker
    named = ", ".join(map(shown, order.handlers))
    roles = (
        "all roles"
        if ALL_ROLES in order.handlers
        else f"role {named}"
        if len(order.handlers) == 1
        else f"roles {named}"
    )
    release = "" if orders.release is None else f", release {shown(orders.release)}"
    return (
        f"worker {health.name} serves mob {shown(orders.mob)} ({roles}){release}, "
        f"{orders.concurrency} steps at a time, "
        f"in namespace {shown(orders.namespace)} at {parse_address(orders.url)}"
    )


class _Interrupts:
    """Counts the signals: the first one drains, the second one ends the process, also if the event loop is blocked."""

    def __init__(self, drain: Callable[[], object], clean_up: Callable[[], object]) -> None:
        self.count = 0
        self.end_at_once: Callable[[], object] = lambda: leave(ExitStatus.FAILED)
        self._drain = drain
        self._clean_up = clean_up
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the first signal."""
        return time.monotonic() - self._began

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        # not a handler of the event loop, which would wait for its turn as long as a handler blocks the loop
        self.count += 1
        if self.count == 1:
            self._began = time.monotonic()
            self._loop.call_soon_threadsafe(self._drain)
        elif self.count == 2:
            self._clean_up()
            leave_soon(ExitStatus.FAILED)
            self._loop.call_soon_threadsafe(self.end_at_once)


@contextlib.contextmanager
def _signals(stop: asyncio.Event, health: Health, file: Path | None) -> Generator[_Interrupts]:
    def drain() -> None:
        health.is_draining = True
        _log.info("worker %s takes nothing new, and ends when what it executes has ended", health.name)
        stop.set()

    def clean_up() -> None:
        if file is not None:
            with contextlib.suppress(OSError):
                file.unlink()

    interrupts = _Interrupts(drain, clean_up)
    before = {number: signal.signal(number, interrupts) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
