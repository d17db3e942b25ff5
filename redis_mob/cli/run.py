"""`redis-mob run`: starts a run, lets worker processes drive it, and shows it until it is over."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from rich.console import Console

from redis_mob.cli.display import Display, display
from redis_mob.cli.report import RunReport, report
from redis_mob.cli.run_watching import LOOK_PAUSE, loaded, told
from redis_mob.cli.worker_link import WorkerOrders
from redis_mob.cli.workers import WorkerPool
from redis_mob.codec.definitions import digests_of, flow_of_run
from redis_mob.connection.servers.address import EmbeddedAddress
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import (
    MobStoreError,
    NotFoundError,
    ReadFailedError,
)
from redis_mob.fleet.calls import max_orphaned_turns
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.run_wait import held_up_beside
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.unserved import UnservedNews
from redis_mob.models.budget import Budget
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything that the command line says about a run, read and checked."""

    definition: MobDefinition
    flow_id: str
    params: Any
    members: Mapping[str, int]
    handlers: Mapping[str, Handler]
    handler: str
    workers: int
    concurrency: int
    lease: timedelta
    drain_timeout: timedelta
    release: str | None
    url: str
    namespace: str
    idempotency_key: str | None
    conversation: str | None
    on_busy: str | None
    seal_keys: SealKeyring | None
    durability: str
    retention: MobRetention
    budget: Budget | None


async def run_flow(order: RunOrder, console: Console) -> RunReport:
    """Run a flow to its end, and say how it went.

    SIGINT cancels the run. SIGTERM drains the workers and leaves the run to others, unless its server is a private one
    that ends with this command: then it cancels the run too. A second signal, or one that comes before the run has
    started, cancels this task. All that was started here ends with it: workers, and an embedded server. Raises
    StorageUnavailableError when the storage cannot be opened, else the errors of the library.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"  # noqa: S101
    with _signals(task.cancel) as interrupts:
        async with MobStorage.open(
            order.url, namespace=order.namespace, seal_key=order.seal_keys, durability=order.durability
        ) as storage:
            fleet = Fleet(
                storage,
                order.definition,
                order.handlers,
                members=order.members,
                lease=order.lease,
                release=order.release,
            )
            # A run that exists already has events from before.
            after = 0 if order.idempotency_key is not None else await storage.events.latest_cursor()
            run_id = await fleet.start(
                order.flow_id,
                order.params,
                order.idempotency_key,
                release=order.release,
                conversation=order.conversation,
                on_busy=order.on_busy,
                budget=order.budget,
            )
            interrupts.begin(may_leave=not _is_private(order))
            view, flow = await _shown_to_the_end(order, storage, fleet, run_id, interrupts, console)
            return await report(storage, view, flow, after)


async def _shown_to_the_end(
    order: RunOrder, storage: MobStorage, fleet: Fleet, run_id: str, interrupts: _Interrupts, console: Console
) -> tuple[RunView, FlowSpec]:
    view = await loaded(storage, run_id)
    definition = await storage.executions.get_definition(view.launch.definition)
    orders = WorkerOrders(
        url=storage.url,
        namespace=storage.namespace,
        mob=order.definition.id,
        definitions=digests_of(order.definition),
        release=order.release,
        handler=order.handler,
        lease=order.lease.total_seconds(),
        drain_timeout=order.drain_timeout.total_seconds(),
        concurrency=order.concurrency,
        max_orphaned_turns=max_orphaned_turns(definition),
        durability=order.durability,
        seal_keys=None if order.seal_keys is None else order.seal_keys.to_text(),
        retention=order.retention.model_dump_json(),
    )
    flow = flow_of_run(definition, view.run)
    with display(console, flow) as shown:
        shown.show(view, 0)
        if view.run.status.is_terminal:
            return view, flow
        async with WorkerPool(orders, order.workers, shown.output, partial(_let_go, storage)) as pool:
            followed = asyncio.ensure_future(_followed(storage, run_id, pool, shown, is_private=_is_private(order)))
            left = asyncio.ensure_future(_left(pool, run_id, interrupts.leave_run, shown))
            telling = asyncio.ensure_future(told(fleet.watch(run_id), shown))
            try:
                guards = (pool.lost(), _cancelled(fleet, run_id, interrupts.cancel_run, shown))
                await _unless(_first(followed, left), *guards)
            finally:
                interrupts.end()
                left.cancel()
                followed.cancel()
                telling.cancel()
                await asyncio.gather(left, followed, telling, return_exceptions=True)
        if followed.cancelled():  # the run was left before it was over
            view = await loaded(storage, run_id)
        else:
            view = followed.result()
        _tell_notes(pool, shown)
        return view, flow


def _is_private(order: RunOrder) -> bool:
    """Whether the server of the run ends with this command, and no other process reaches it."""
    return parse_address(order.url) == EmbeddedAddress()


async def _followed(storage: MobStorage, run_id: str, pool: WorkerPool, shown: Display, *, is_private: bool) -> RunView:
    """Show the run as it changes, and why it does not go on by itself, until it is over."""
    news = UnservedNews(partial(held_up_beside, storage, run_id))
    async with storage.executions.listen(run_id) as wake_up:
        while True:
            view = await loaded(storage, run_id)
            _tell_notes(
                pool, shown
            )  # after loading: if the storage is unreachable, one error says so and not each worker
            shown.show(view, pool.alive)
            if view.run.status.is_terminal:
                return view
            if is_private and _waits_for_people(view):
                is_private = False  # it is told once
                shown.note(
                    "only this command reaches the server of the run: `redis-mob answer`, `resume` and `budget` reach "
                    "one that --url names, as embedded:DIRECTORY or redis://host:6379"
                )
            with suppress(ReadFailedError, NotFoundError):  # loading it again says so
                for line in await news.since():
                    shown.note(line)
            await asyncio.sleep(LOOK_PAUSE)
            await wake_up.wait(SWEEP_SECONDS)


def _waits_for_people(view: RunView) -> bool:
    return bool(view.pauses) or any(one.status is ExecutionStatus.ASKING for one in view.executions.values())


def _tell_notes(pool: WorkerPool, shown: Display) -> None:
    for note in pool.take_notes():
        shown.note(note)


async def _cancelled(fleet: Fleet, run_id: str, cancel: asyncio.Event, shown: Display) -> None:
    """Ask for the cancellation of the run when the user does."""
    await cancel.wait()
    shown.note("canceling the run; once more to leave at once")
    await fleet.cancel(run_id)


async def _left(pool: WorkerPool, run_id: str, leave: asyncio.Event, shown: Display) -> None:
    """Drain the workers when the user wants to leave the run."""
    await leave.wait()
    shown.note(
        f"leaving run {run_id} to other workers, when its steps under way have ended; once more to leave at once"
    )
    await pool.drain()


async def _first(*tasks: asyncio.Future[Any]) -> None:
    """Wait until one of these has ended, and raise what it raises."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _let_go(storage: MobStorage, pid: int) -> None:
    """Let go of the worker whose process has ended, so that nothing waits for its lease."""
    with suppress(MobStoreError):  # then its lease has to expire
        for worker in await storage.executions.workers():
            if (worker.record.host, worker.record.pid) == (socket.gethostname(), pid):
                await storage.executions.leave_workers(worker.record.id, is_orderly=False)


async def _unless(main: Coroutine[Any, Any, T], *guards: Coroutine[Any, Any, None]) -> T:
    """The result of `main`, unless a guard raises before; then that."""
    result = asyncio.ensure_future(main)
    tasks: list[asyncio.Task[Any]] = [result, *map(asyncio.ensure_future, guards)]
    pending = set(tasks)
    try:
        while not result.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return result.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Interrupts:
    """What signals do: they cancel the run or leave it once there is one, else they end everything."""

    def __init__(self, end_all: Callable[[], object]) -> None:
        self.cancel_run = asyncio.Event()
        self.leave_run = asyncio.Event()
        self._end_all = end_all
        self._under_way = False
        self._may_leave = False

    def begin(self, *, may_leave: bool) -> None:
        """There is a run, which can go on without this command or not."""
        self._under_way, self._may_leave = True, may_leave

    def end(self) -> None:
        """Nothing is left to cancel: from now on a signal means to leave at once."""
        self._under_way = False

    def __call__(self, number: int) -> None:
        if not self._under_way or self.cancel_run.is_set() or self.leave_run.is_set():
            self._end_all()
        elif number == signal.SIGTERM and self._may_leave:
            self.leave_run.set()
        else:
            self.cancel_run.set()


@contextmanager
def _signals(end_all: Callable[[], object]) -> Generator[_Interrupts]:
    loop = asyncio.get_running_loop()
    interrupts = _Interrupts(end_all)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupts, number)
    try:
        yield interrupts
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
