"""The runs that a worker is at, or was at a moment ago, each with its driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from redis_mob.fleet.begun import Begun
from redis_mob.fleet.driver_services import Services
from redis_mob.fleet.run_driver import RunDriver

KNOWN_RUNS = 256
"""Runs that a worker remembers, so that it need not read them again."""


@dataclass(slots=True)
class KnownRun:
    """A run that this worker is at: its driver, the task in which that decides, and how many handlers are at work."""

    run_id: str
    driver: RunDriver = field(init=False)
    driving: asyncio.Task[None] | None = None
    executing: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing in this process is at the run."""
        return self.driving is None and not self.executing


class KnownRuns:
    """Remembers runs by id; of those that nothing is at, it forgets the oldest when there are too many.

    `begin` is called with a run and what its driver has begun.
    """

    def __init__(self, services: Services, begin: Callable[[KnownRun, Begun], None]) -> None:
        self._services = services
        self._begin = begin
        self._runs: dict[str, KnownRun] = {}  # the latest comes last

    def get(self, run_id: str) -> KnownRun:
        """The run of this id, which is the latest from now on."""
        run = self._runs.pop(run_id, None)
        if run is None:
            run = KnownRun(run_id)
            run.driver = RunDriver(run_id, self._services, partial(self._begin, run))
            if len(self._runs) >= KNOWN_RUNS:
                oldest = next((known for known in self._runs.values() if known.is_idle), None)
                if oldest is not None:
                    del self._runs[oldest.run_id]
        self._runs[run_id] = run
        return run

    def latest_first(self) -> Iterator[KnownRun]:
        """All of them."""
        return reversed(self._runs.values())

    def forget(self, run: KnownRun) -> None:
        """Remember a run no longer."""
        del self._runs[run.run_id]
