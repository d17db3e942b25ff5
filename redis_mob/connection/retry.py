"""How long and how often a call is tried again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from redis_mob.errors import ValidationError
from redis_mob.models.backoff import backoff


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Tries again for `deadline` seconds after the first failure, with pauses of `base` seconds at first.

    Each pause is twice as long as the one before, at most `cap` seconds, and shortened by a random part, so that
    clients that failed together do not come back together. Raises ValidationError for a number that makes no sense.
    """

    deadline: float = 10.0
    base: float = 0.02
    cap: float = 1.0

    def __post_init__(self) -> None:
        if not (self.deadline >= 0 and 0 < self.base <= self.cap):
            raise ValidationError(f"{self} makes no sense: deadline must not be negative, and base be from 0 to cap")

    def attempts(self) -> Attempts:
        """The further attempts after a first one, which has just failed."""
        return Attempts(self.pauses())

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each further attempt; ends when the deadline would have passed."""
        ends = time.monotonic() + self.deadline
        for failures in count(1):
            if (left := ends - time.monotonic()) <= 0:
                return
            yield min(backoff(failures, first=self.base, longest=self.cap, uniform=random.uniform), left)


class Attempts:
    """The attempts that are left of a policy."""

    def __init__(self, pauses: Iterator[float]) -> None:
        self._pauses = pauses

    async def wait(self, *, at_once: bool = False) -> bool:
        """Let the pause before the next attempt pass, unless it is to come at once; returns whether there is one."""
        pause = next(self._pauses, None)
        if pause is not None and not at_once:
            await asyncio.sleep(pause)
        return pause is not None
