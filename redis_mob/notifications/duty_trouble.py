"""What a duty of a worker tells of its errors."""

from __future__ import annotations

from logging import Logger

from redis_mob.errors import MobStoreError


class DutyTrouble:
    """Tells each error of a duty once, and the same one again only after another one, or after all was well.

    `cannot` says what the duty does not do meanwhile, as in "deliver webhooks".
    """

    def __init__(self, log: Logger, cannot: str) -> None:
        self._log = log
        self._cannot = cannot
        self._told: str | None = None

    def tell(self, worker: str, message: str | None, unexpected: Exception | None = None) -> None:
        """Tell it in the log, with the traceback of what was not expected; None says that all is well."""
        if message is not None and message != self._told:
            self._log.warning("worker %s cannot %s: %s", worker, self._cannot, message, exc_info=unexpected)
        self._told = message

    def tell_error(self, worker: str, error: Exception) -> None:
        """Tell what was raised: an error of the storage was expected, any other is a fault of the duty."""
        if isinstance(error, MobStoreError):
            self.tell(worker, str(error))
        else:
            self.tell(worker, repr(error), error)
