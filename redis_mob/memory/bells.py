"""Tells waiting readers that something changed; what it was they read themselves."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from redis_mob.notifications.bell import Bell


class Bells:
    """All bells for one kind of change."""

    def __init__(self) -> None:
        self._bells: set[Bell] = set()

    def ring(self) -> None:
        for bell in self._bells:
            bell.ring()

    @contextmanager
    def listen(self) -> Generator[Bell]:
        """A bell until the block ends. It rings once at first: a reader that reads after each ring misses nothing."""
        bell = Bell()
        bell.ring()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)
