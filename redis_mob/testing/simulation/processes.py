"""A simulated process: what it reads of its host, its share of the event loop, and what happens to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from redis_mob.host_environment import ENVIRONMENT, HostEnvironment

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
"""When every simulation begins."""

NEVER = float("inf")


@dataclass(eq=False)
class SimulatedProcess(HostEnvironment):
    """One process of a simulation. Its time of day is `skew` seconds ahead of that of the storage.

    All that is random in it comes from a generator of its own, so that what another process does changes nothing here.
    `turns` counts what the event loop has executed of it; `at_turn` says what happens before which of them. It stands
    still until `sleeps_until`, by the clock of the loop: as a process does that was sent SIGSTOP, and for ever one that
    was sent SIGKILL. One that is cut off reaches the storage no more.
    """

    name: str
    seed: str
    clock: Callable[[], float]
    skew: float = 0.0
    ready: deque[asyncio.Handle] = field(default_factory=deque[asyncio.Handle])
    timers: list[tuple[float, int, asyncio.TimerHandle]] = field(
        default_factory=list[tuple[float, int, asyncio.TimerHandle]]
    )
    turns: int = 0
    at_turn: dict[int, Happening] = field(default_factory=dict[int, "Happening"])
    sleeps_until: float = 0.0
    is_cut_off: bool = False

    has_threads = False

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} {self.name}")
        self.network = Random(f"{self.seed} {self.name} network")
        self._context = copy_context()
        self._context.run(ENVIRONMENT.set, self)

    @property
    def is_dead(self) -> bool:
        """Whether it was killed."""
        return self.sleeps_until == NEVER

    def context(self) -> Context:
        """A context in which tasks are part of this process."""
        return self._context.copy()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock() + self.skew)

    def monotonic(self) -> float:
        return self.clock()

    def boot_time(self) -> float:
        return self.clock()

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def uniform(self, least: float, most: float) -> float:
        return self.random.uniform(least, most)

    def host(self) -> str:
        return self.name

    def process(self) -> int:
        return 1


Happening = Callable[[SimulatedProcess], None]
"""What happens to a process before one of its turns."""
