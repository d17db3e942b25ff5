"""How long a worker bears with a storage that fails."""

from __future__ import annotations

import asyncio
import logging

from redis_mob.errors import MobStoreError

LONGEST_OUTAGE_SECONDS = 15.0
"""How long a storage may fail on end before a worker gives up: longer than a failover takes."""

_log = logging.getLogger(__name__)


class OutageLimit:
    """Measures an outage of the storage from its first error, and raises when it has lasted too long.

    A call of the storage tries again by itself for as long as its retry policy says. This limit is above that: it is
    for errors that a call reports at once, and for what a worker must not lose, the result of a long execution.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._failing_since: float | None = None

    def end(self) -> None:
        """The storage answered."""
        self._failing_since = None

    def bear(self, error: MobStoreError) -> None:
        """Log an error of the storage; raises it when the outage has lasted for more than 15 seconds."""
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
        # Raising ends the worker, so that its supervisor notices: better than a process that lives and does nothing.
        if now - self._failing_since > LONGEST_OUTAGE_SECONDS:
            raise error
        _log.warning("worker %s cannot reach its storage: %s", self._worker, error)
