"""Keeps the clients of a server that cannot be reached from hammering it, and from coming back all at once."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.connection.retry import RetryPolicy
from redis_mob.host_environment import environment


class Circuit:
    """The way to one server: after each failure to connect it is open for a pause, in which no request tries."""

    def __init__(self, retry: RetryPolicy) -> None:
        self._retry = retry
        self._pauses: Iterator[float] | None = None
        self._open_until = 0.0
        self._failure: Exception | None = None
        self._was_closed = False

    @property
    def failure(self) -> Exception | None:
        """How the last attempt ended, as long as it is too early for another one."""
        return self._failure if environment().monotonic() < self._open_until else None

    @property
    def pause(self) -> float:
        """Seconds to wait before connecting: none at first, and when a connection was lost, a random time.

        So clients that lost theirs together do not come back together.
        """
        return environment().uniform(0, self._retry.base) if self._was_closed else 0.0

    def failed(self, failure: Exception) -> None:
        """The server could not be reached."""
        # one series of pauses for as long as connecting fails, so that they grow; after `connected` a new one begins
        self._pauses = self._pauses or self._retry.pauses()
        self._failure, self._open_until = failure, environment().monotonic() + next(self._pauses)

    def connected(self) -> None:
        """The server was reached."""
        self._pauses, self._failure, self._was_closed = None, None, True
