"""How long a call may take, and how often it is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import count
from typing import Any

from redis_mob.errors import ValidationError, shown
from redis_mob.host_environment import environment
from redis_mob.models.backoff import backoff

LONGEST = 86_400.0
"""The greatest number of seconds that a policy takes: a day. More is a mistake, or infinity in other words."""

_TOO_LATE = 0.1
"""The part of the deadline that must be left for another attempt.

One that the deadline cuts short leaves the outcome of a write unknown, where giving up would have left it known.
"""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call may take, and how often it is tried again. All numbers are seconds, at most a day each.

    A call ends within `deadline` seconds, also while it waits for a connection, a reply, discovery of the server, or
    the durability that was asked for. Within this time an attempt that failed is followed by another one, after a pause
    of `base` seconds at first. Each pause is twice as long as the one before, at most `cap` seconds, and shortened by a
    random part, so that clients that failed together do not come back together. A deadline of 0 gives a call a single
    attempt, which only the two timeouts bound.

    `connect_timeout` is how long a new connection to a server may take until the server has said something, and
    `reply_timeout` how long one attempt may wait for its reply.

    Raises ValidationError, which names field and value, for anything but such a number.
    """

    deadline: float = 10.0
    base: float = 0.02
    cap: float = 1.0
    connect_timeout: float = 5.0
    reply_timeout: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name), may_be_zero=field.name == "deadline")
        if self.base > self.cap:
            raise ValidationError(f"RetryPolicy: base {self.base:g} is greater than cap {self.cap:g}: raise cap")

    @property
    def longest_call(self) -> float:
        """Seconds after which a call is over for certain."""
        return self.deadline or self.connect_timeout + self.reply_timeout

    def attempts(self) -> Attempts:
        """The attempts of a call that begins now."""
        return Attempts(self)

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each further attempt, without end."""
        for failures in count(1):
            yield backoff(failures, first=self.base, longest=self.cap, uniform=environment().uniform)


def policy_of(retry: RetryPolicy | None) -> RetryPolicy:
    """The policy that a caller gave, or the default one. Raises ValidationError for another type."""
    if retry is None:
        return RetryPolicy()
    if not isinstance(retry, RetryPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"retry must be a RetryPolicy, not {shown(retry)}")
    return retry


class Attempts:
    """The attempts of one call: the first one, and those that its deadline leaves time for."""

    def __init__(self, retry: RetryPolicy) -> None:
        self._clock = asyncio.get_running_loop().time
        self._deadline = retry.deadline
        self._ends = self._clock() + retry.deadline
        self._retry = retry
        self._pauses: Iterator[float] | None = None
        self.until = self._ends if retry.deadline else None
        """The time of the event loop at which the call has to be over, if there is one."""

    @property
    def are_over(self) -> bool:
        """Whether the deadline has passed, so that an attempt that failed now may have failed for that reason alone."""
        return self.until is not None and self._clock() >= self.until

    async def wait(self) -> bool:
        """Let the pause before the next attempt pass; returns whether there is one."""
        left = self._ends - self._clock()
        if left <= self._deadline * _TOO_LATE:
            return False
        if self._pauses is None:
            self._pauses = self._retry.pauses()
        # at most half of the time that is left, so that a pause never uses up the time of its attempt
        await asyncio.sleep(min(next(self._pauses), left / 2))
        return True


def _check(field: str, value: Any, *, may_be_zero: bool) -> None:
    # a bool is an int to Python, but True is no time; nan is refused because it fails every comparison
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (0 < value <= LONGEST or (may_be_zero and value == 0)):
        return
    least = "from 0" if may_be_zero else "greater than 0 and"
    raise ValidationError(
        f"RetryPolicy: {field} must be a number of seconds {least} up to {LONGEST:g} (a day), not {shown(value)}"
    )
