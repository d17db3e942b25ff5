"""How `redis-mob` and its worker processes end."""

from __future__ import annotations

from enum import IntEnum

from redis_mob.errors import RedisMobError


class ExitStatus(IntEnum):
    """How `redis-mob` and its worker processes end."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    STORAGE = 3


class WorkersLostError(RedisMobError):
    """The worker processes die again and again; the message says how the last one ended."""
