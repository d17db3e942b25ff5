"""When something is tried again, and how long turns are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from redis_mob.models.backoff import backoff

LONGEST_REST = timedelta(hours=1)
"""How long a receiver may ask to be left alone at a time."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, all of them.

    `first` and `longest` are pauses between attempts; `flush` is how long it takes at most until it is stored what
    was delivered, `turn` how much longer a turn lasts than an attempt, `look` how often workers look for turns that
    are free, and `idle` how often where there is no webhook; `trouble` is how long after an error of the storage.
    """

    first: float = 1.0
    longest: float = 3600.0
    flush: float = 0.2
    turn: float = 30.0
    look: float = 15.0
    idle: float = 60.0
    trouble: float = 1.0

    def pause(self, attempts: int, rest: timedelta | None, random: Random) -> timedelta:
        """How long after so many attempts an event is tried again, if the receiver wants to rest for so long."""
        length = backoff(attempts, first=self.first, longest=self.longest, uniform=random.uniform, jitter=0.2)
        return max(timedelta(seconds=length), min(rest or timedelta(), LONGEST_REST))
