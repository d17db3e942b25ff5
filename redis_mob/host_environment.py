"""What the code reads of the host that it runs on, and what is random: one seam, so that a simulation can decide it.

Everything that would make two executions of the same program differ comes from here: the time of day, the monotonic
clock, random ids, random pauses, the names of host and process, and threads that watch an event loop. A simulation
(redis_mob.testing.simulation) gives each of its processes an environment of its own; all others have that of the host.
"""

from __future__ import annotations

import os
import random
import socket
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID, uuid4

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class HostEnvironment:
    """The host itself."""

    has_threads = True
    """Whether threads may be started beside the event loop. Without them plain functions run where they are called."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds by a clock that never goes back."""
        return time.monotonic()

    def boot_time(self) -> float:
        """Seconds by a clock that also goes on while the machine sleeps."""
        return time.clock_gettime(_BOOT_CLOCK)

    def new_id(self) -> UUID:
        """An id that no other call has given, or will give."""
        return uuid4()

    def uniform(self, least: float, most: float) -> float:
        """A random number between two others, which guards nothing."""
        return random.uniform(least, most)  # noqa: S311

    def host(self) -> str:
        """The name of the host."""
        return socket.gethostname()

    def process(self) -> int:
        """The id of the process."""
        return os.getpid()


ENVIRONMENT: ContextVar[HostEnvironment] = ContextVar("redis_mob_host_environment")
"""Where a simulation puts the environment of a process; all tasks and callbacks that come of it inherit it."""

_HOST = HostEnvironment()


def environment() -> HostEnvironment:
    """The environment of the process that calls this."""
    return ENVIRONMENT.get(_HOST)
