"""Wakes waiting readers when something changed; they read what it was."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from redis_mob.notifications.wake_up_flag import Concern, WakeUpFlag


class MemoryWakeUps:
    """The flags of all readers that wait for one kind of change."""

    def __init__(self) -> None:
        self._flags: dict[WakeUpFlag, None] = {}
        """In the order in which they came: a set would wake their readers in an order of its own."""

    def send(self, message: bytes = b"") -> None:
        for flag in self._flags:
            flag.hear(message)

    @contextmanager
    def listen(self, concerns: Concern | None = None, *, flag: WakeUpFlag | None = None) -> Generator[WakeUpFlag]:
        """A flag until the block ends, for messages that `concerns` accepts; a new one unless a flag is given.

        It is set at first: a reader that reads after each wake-up misses nothing.
        """
        flag = WakeUpFlag(concerns) if flag is None else flag
        flag.set()
        self._flags[flag] = None
        try:
            yield flag
        finally:
            self._flags.pop(flag, None)
