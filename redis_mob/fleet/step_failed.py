"""The exceptions by which a handler fails, or waits for its service."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from redis_mob.codec.arguments import LONGEST
from redis_mob.errors import Portable, shown


class StepFailed(Portable, Exception):  # noqa: N818
    """Raise it in a handler to fail the execution, and to say whether trying again makes sense.

    Any other exception fails the execution too, and is retryable. `detail` is any JSON value; it is kept with the
    failure. `retry_after` is how long the next attempt waits at least, given in seconds or as a timedelta, which the
    attribute is: what a provider says that is overloaded. An attempt that would begin only after the deadline of the
    flow is not made. Raises TypeError for a `retryable` that is no bool, or a `retry_after` that is not from 0 to a
    hundred years.
    """

    def __init__(
        self, reason: str, retryable: bool = True, detail: Any = None, retry_after: float | timedelta | None = None
    ) -> None:
        super().__init__(reason)
        if not isinstance(retryable, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"retryable must be True or False, not {shown(retryable)}")
        self.reason = reason
        self.retryable = retryable
        self.detail = detail
        self.retry_after = checked_pause(retry_after)


class StepThrottled(StepFailed):
    """Raise it in a handler whose service asks to be left alone for a while, as with status 429.

    The execution waits so long, and no attempt is used up; the rates that bound it are closed for the whole fleet until
    then (contract: engine-94). `retry_after` is given in seconds or as a timedelta, as the service says; without it it
    is a second at first, and twice as long each time in turn, up to a minute. Raises TypeError for a `retry_after` that
    is not from 0 to a hundred years.
    """

    def __init__(self, reason: str, retry_after: float | timedelta | None = None) -> None:
        super().__init__(reason, retry_after=retry_after)


def checked_pause(retry_after: object) -> timedelta | None:
    """Seconds, or a timedelta, as a timedelta; None stays None. Raises TypeError for all that is no pause."""
    pause = retry_after
    if isinstance(pause, int | float) and not isinstance(pause, bool):
        with suppress(OverflowError, ValueError):  # of numbers that are too large, and of NaN
            pause = timedelta(seconds=pause)
    if pause is None or (isinstance(pause, timedelta) and timedelta() <= pause <= LONGEST):
        return pause
    raise TypeError(
        f"retry_after must be a number of seconds from 0 to {LONGEST.total_seconds():.0f}, or a timedelta, "
        f"not {shown(retry_after)}"
    )
