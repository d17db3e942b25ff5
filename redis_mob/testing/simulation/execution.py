"""Carries out a plan: real workers of the product over a storage in memory, behind a simulated network."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, NamedTuple

from redis_mob.codec.definitions import digests_of
from redis_mob.errors import MobStoreError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.handler_stores import handler_stores
from redis_mob.fleet.run_wait import why_not_over
from redis_mob.fleet.worker import Worker
from redis_mob.storage import MobStorage
from redis_mob.testing.simulation.client import Client
from redis_mob.testing.simulation.decisions import Decision, Dismiss, Disturb, Halt, Hire, Kill, Start
from redis_mob.testing.simulation.effects import Effects
from redis_mob.testing.simulation.event_loop import EndlessError, SimulatedLoop, StalledError
from redis_mob.testing.simulation.network import Network
from redis_mob.testing.simulation.plans import CLIENT, SERVER, Plan
from redis_mob.testing.simulation.processes import NEVER, Happening, SimulatedProcess
from redis_mob.testing.simulation.traces import Trace
from redis_mob.testing.simulation.verdict import broken_promises, is_convicted
from redis_mob.testing.simulation.watch import Watch

MOST_TURNS = 400_000
"""Turns of the event loop in one simulation."""

LOOK_SECONDS = 0.5
"""Between two looks whether all is over."""

MOST_DRAIN_SECONDS = 120.0
"""How long workers may take to end when all runs are over."""

RESTART_SECONDS = 1.0
"""After which time a worker begins anew whose storage has failed for too long."""

_namespaces = count()


class Outcome(NamedTuple):
    """What came of one simulation.

    `violations` are empty if all held; `digest` is that of everything that happened, and `lines` are the last of it.
    `outputs` are the status and the outputs of each run by its name; they are `comparable` with those of another
    simulation of the same runs unless a step has failed because its workers were lost again and again. It took so many
    `seconds` by its own clock, `turns` of the event loop and `calls` of the storage.
    """

    violations: tuple[str, ...]
    digest: str
    lines: tuple[str, ...]
    outputs: dict[str, Any]
    comparable: bool
    seconds: float
    turns: int
    calls: int


@dataclass
class _Hired:
    """A worker: its terms, and the process that stands for it now."""

    terms: Hire
    process: SimulatedProcess
    stop: asyncio.Event
    drain: float = 25.0


class Execution:
    """One simulation."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._subject, self._definition = plan, plan.subject, plan.subject.definition
        self._loop = SimulatedLoop(Random(f"schedule {plan.seed}"), MOST_TURNS)
        self._trace = Trace(self._loop.time)
        self._effects = Effects(self._loop.time)
        self._watch = Watch(self._definition, self._loop.time, self._effects.all, self._trace)
        self._at_turn: dict[str, dict[int, Happening]] = {}
        self._everyone: list[SimulatedProcess] = []
        self._judge = self._process("judge")
        self._server = self._process(SERVER)
        self._client = self._process(CLIENT)
        self._hired: dict[str, _Hired] = {}
        self._working: dict[asyncio.Task[None], SimulatedProcess] = {}
        self._is_over = False
        self._digest = ""
        self._outputs: dict[str, Any] = {}
        self._comparable = True

    def carry_out(self) -> Outcome:
        """Carry the plan out, and say what came of it."""
        loop, run = self._loop, self._judge.context().run
        loop.set_exception_handler(self._unhandled)
        with _without_collection(), _log_watched(self._watch):
            try:
                run(loop.run_until_complete, self._all())
            except (StalledError, EndlessError) as error:
                self._watch.broken(f"{type(error).__name__}: {error}")
            finally:
                self._digest = self._trace.digest
                loop.most_turns += MOST_TURNS
                run(loop.run_until_complete, self._clear_away())
                loop.close()
        return Outcome(
            tuple(self._watch.violations),
            self._digest,
            self._trace.lines,
            self._outputs,
            self._comparable,
            loop.time(),
            loop.turns,
            self._network.made,
        )

    async def _all(self) -> None:
        name = f"simulation-{next(_namespaces)}"  # several may be under way in a program, each in a thread of its own
        async with MobStorage.open("memory:", namespace=name) as storage:
            self._network = Network(self._loop, storage, self._server, self._watch, self._trace, self._plan.deafness)
            reached = self._network.storage_for(self._client)
            fleet = Fleet(reached, self._definition, members=self._subject.members)
            self._actor = Client(fleet, reached, self._trace)
            for decision in self._plan.decisions:
                self._arrange(decision)
            await self._until_over(storage)
            await self._end_workers()
            self._trace.tell("all is over")
            await self._conclude(storage)

    def _process(self, name: str, number: int = 1, skew: float = 0.0) -> SimulatedProcess:
        process = SimulatedProcess(name, f"{self._plan.seed} {number}", self._loop.time, skew)
        process.at_turn = self._at_turn.setdefault(name, {})
        self._everyone.append(process)
        self._loop.add(process)
        return process

    def _arrange(self, decision: Decision) -> None:
        """Let a decision come about in its time."""
        match decision:
            case Disturb():
                faults = self._network.faults.setdefault(decision.process, {})
                faults[decision.call] = (decision.fault, decision.seconds)
            case Hire():
                self._later(decision.at, lambda: self._hire(decision))
            case Halt():
                self._strike(decision.process, decision.turn, lambda struck: self._halt(struck, decision))
            case Kill():
                self._strike(decision.worker, decision.turn, lambda struck: self._kill(struck, decision))
            case Dismiss():
                self._later(decision.at, lambda: self._dismiss(decision))
            case _:
                self._spawn(self._client, self._actor.do(decision))

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        self._loop.call_later(seconds, act, context=self._judge.context())

    def _spawn(self, process: SimulatedProcess, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(work, context=process.context())

    def _strike(self, name: str, turn: int, happens: Happening) -> None:
        self._at_turn.setdefault(name, {})[turn] = happens

    def _halt(self, struck: SimulatedProcess, decision: Halt) -> None:
        self._trace.tell(str(decision))
        struck.sleeps_until = self._loop.time() + decision.seconds

    def _kill(self, struck: SimulatedProcess, decision: Kill) -> None:
        self._trace.tell(str(decision))
        struck.sleeps_until = NEVER
        hired = self._hired[decision.worker]
        if hired.process is struck:  # and not one that was asked to stop, whose successor is there
            self._later(decision.back_after, lambda: self._hire(hired.terms, instead_of=hired))

    def _dismiss(self, decision: Dismiss) -> None:
        hired = self._hired.get(decision.worker)
        if hired is None or hired.process.is_dead or hired.stop.is_set():
            return
        self._trace.tell(str(decision))
        hired.drain = decision.drain
        hired.stop.set()
        self._later(decision.back_after, lambda: self._hire(hired.terms, instead_of=hired))

    def _hire(self, terms: Hire, instead_of: _Hired | None = None) -> None:
        before = self._hired.get(terms.worker)
        if self._is_over or (instead_of is not None and before is not instead_of):
            return
        process = self._process(terms.worker, len(self._everyone), terms.skew)
        if before is not None:
            process.turns = before.process.turns
        self._trace.tell(f"{terms.worker} begins")
        hired = self._hired[terms.worker] = _Hired(terms, process, asyncio.Event())
        self._working[self._spawn(process, self._work(hired))] = process

    async def _work(self, hired: _Hired) -> None:
        process, terms, storage = hired.process, hired.terms, self._network.storage_for(hired.process)
        while not hired.stop.is_set():
            worker = Worker(
                storage.executions,
                self._effects.noted(process.name, self._subject.handlers),
                lease=timedelta(seconds=terms.lease),
                concurrency=terms.slots,
                name=process.name,
                mobs=(self._definition.id,),
                definitions=digests_of(self._definition),
                random=process.random,
                **handler_stores(storage),
            )
            try:
                await worker.run(hired.stop, timedelta(seconds=hired.drain))
            except MobStoreError as error:
                self._trace.tell(f"{process.name} begins anew: {error}")
                await asyncio.sleep(RESTART_SECONDS)
            except Exception as error:  # noqa: BLE001 - no worker must end so
                self._watch.broken(f"{process.name} has ended: {error!r}")
                return

    async def _until_over(self, storage: MobStorage) -> None:
        """Until all runs are over that are to be started, and those that their steps have started."""
        names = [one.run for one in self._plan.decisions if isinstance(one, Start)]
        while not await self._all_over(storage, names):
            await asyncio.sleep(LOOK_SECONDS)
            if self._loop.time() > self._subject.most_seconds:
                await self._tell_endless(storage)
                return

    async def _all_over(self, storage: MobStorage, names: list[str]) -> bool:
        for name in names:
            run_id = self._actor.run_ids.get(name)
            status = None if run_id is None else await storage.executions.status(run_id)
            if status is None or not status.is_terminal:
                return False
        return all(run.status.is_terminal for run in await storage.runs.list_runs(self._definition.id))

    async def _tell_endless(self, storage: MobStorage) -> None:
        workers = await storage.executions.workers()
        for run in await storage.runs.list_runs(self._definition.id):
            view = await storage.executions.load(run.run_id)
            if view is not None and not run.status.is_terminal:
                reason = why_not_over(view, workers, ())
                self._watch.broken(f"run {run.run_id} is not over after {self._subject.most_seconds:g} s: {reason}")

    async def _end_workers(self) -> None:
        """Let all workers end that are alive."""
        self._is_over = True
        for happens in self._at_turn.values():
            happens.clear()
        for hired in self._hired.values():
            hired.stop.set()
        alive = [task for task, process in self._working.items() if not (process.is_dead or task.done())]
        if alive:
            _, late = await asyncio.wait(alive, timeout=MOST_DRAIN_SECONDS)
            for task in late:
                self._watch.broken(f"{self._working[task].name} has not ended after {MOST_DRAIN_SECONDS:g} s")

    async def _conclude(self, storage: MobStorage) -> None:
        if self._watch.violations:
            return
        async for problem in broken_promises(storage, self._definition, self._watch, self._effects.all):
            self._watch.broken(problem)
        for name, run_id in sorted(self._actor.run_ids.items()):
            run = await storage.runs.get_run(run_id)
            view = await storage.executions.load(run_id)
            if run is not None and view is not None:
                whole = run.model_dump(mode="json")
                self._outputs[name] = {
                    part: whole[part] for part in ("status", "root_step_outputs", "loop_iteration_outputs")
                }
                self._comparable &= not is_convicted(view)
        self._trace.tell(str(self._outputs))

    async def _clear_away(self) -> None:
        """End what is left, so that nothing of it runs later: what was killed wakes up, and reaches nothing."""
        self._loop.set_exception_handler(lambda _loop, _context: None)
        for process in self._everyone:
            process.is_cut_off, process.sleeps_until = True, 0.0
            process.at_turn.clear()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        while left:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=MOST_DRAIN_SECONDS)
            left = asyncio.all_tasks() - {asyncio.current_task()}

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._watch.broken(f"unhandled: {context.get('exception') or context['message']!r}")


@contextmanager
def _without_collection() -> Generator[None]:
    """No cycle of objects is collected until the block ends: what that finalizes would come at a moment of its own."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _log_watched(watch: Watch) -> Generator[None]:
    """What the product logs goes nowhere, but for errors that it did not expect: these are violations."""

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                watch.broken(f"{record.getMessage()}: {record.exc_info[1]!r}")

    logger, listening = logging.getLogger("redis_mob"), Listening()
    before = logger.propagate, logger.level
    logger.addHandler(listening)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listening)
        logger.propagate, logger.level = before
