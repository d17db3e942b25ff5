"""Wakes waiting readers when something changed; they read what it was."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from redis_mob.notifications.wake_up_flag import WakeUpFlag


class MemoryWakeUps:
    """The flags of all readers that wait for one kind of change."""

    def __init__(self) -> None:
        self._flags: set[WakeUpFlag] = set()

    def send(self) -> None:
        for flag in self._flags:
            flag.set()

    @contextmanager
    def listen(self) -> Generator[WakeUpFlag]:
        """A flag until the block ends. It is set at first: a reader that reads after each wake-up misses nothing."""
        flag = WakeUpFlag()
        flag.set()
        self._flags.add(flag)
        try:
            yield flag
        finally:
            self._flags.discard(flag)
