"""What the client of a simulation does to its runs: it starts, signals, pauses and cancels them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from redis_mob.errors import CasConflictError, NotFoundError, ReadFailedError, WriteFailedError
from redis_mob.fleet.fleet import Fleet
from redis_mob.operations.pausing import pause_run, resume_run
from redis_mob.storage import MobStorage
from redis_mob.testing.simulation.decisions import Cancel, PauseFor, Send, Start
from redis_mob.testing.simulation.traces import Trace

T = TypeVar("T")

AGAIN_SECONDS = 0.5
"""How long the client waits before it does something again whose outcome it could not learn."""


@dataclass
class Client:
    """Does each thing in its time, again and again until it knows that it is done."""

    fleet: Fleet
    storage: MobStorage
    trace: Trace
    run_ids: dict[str, str] = field(default_factory=dict[str, str])
    """The ids of the runs that are started, by name."""

    _started: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])

    def _started_event(self, run: str) -> asyncio.Event:
        return self._started.setdefault(run, asyncio.Event())

    async def do(self, decision: Start | Cancel | PauseFor | Send) -> None:
        """Do what was decided; nothing if the run is over by then."""
        await asyncio.sleep(decision.at)
        if isinstance(decision, Start):
            run_id = await _until_known(lambda: self.fleet.start(decision.flow, decision.params, decision.run))
            self.run_ids[decision.run] = run_id
            self._started_event(decision.run).set()
            return
        await self._started_event(decision.run).wait()
        run_id = self.run_ids[decision.run]
        self.trace.tell(str(decision))
        try:
            await self._steer(decision, run_id)
        except (CasConflictError, NotFoundError) as error:
            self.trace.tell(f"refused: {type(error).__name__}")

    async def _steer(self, decision: Cancel | PauseFor | Send, run_id: str) -> None:
        if isinstance(decision, Cancel):
            await _until_known(lambda: self.fleet.cancel(run_id))
        elif isinstance(decision, Send):
            key = f"{decision.signal} at {decision.at}"
            await _until_known(
                lambda: self.fleet.signal(run_id, decision.signal, decision.payload, idempotency_key=key)
            )
        else:
            await _until_known(lambda: pause_run(self.storage, run_id, None))
            await asyncio.sleep(decision.seconds)
            await _until_known(lambda: resume_run(self.storage, run_id))


async def _until_known(act: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await act()
        except (ReadFailedError, WriteFailedError):
            await asyncio.sleep(AGAIN_SECONDS)
