"""The clock of a namespace, the only one its stores read."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from redis_mob.host_environment import environment


class Clock:
    """Never goes back, even if the clock of the machine does. It can be moved, so that tests need not wait."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._ahead = timedelta()
        self._renewals: list[Callable[[], object]] = []

    def now(self) -> datetime:
        """The present moment in UTC."""
        self._latest = max(self._latest, environment().now() + self._ahead)
        return self._latest

    def move(self, by: timedelta) -> None:
        """Let so much time have passed, in which what goes on beside the event loop has gone on too."""
        self._ahead += by
        for renew in self._renewals:
            renew()

    @contextmanager
    def renewed(self, renew: Callable[[], object]) -> Generator[None]:
        """Until the block ends, `renew` is called when the clock was moved: what a thread does from time to time."""
        self._renewals.append(renew)
        try:
            yield
        finally:
            self._renewals.remove(renew)
