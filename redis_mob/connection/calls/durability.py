"""What the server is to have done with a write before its caller hears that it happened.

What each level is worth on which server: decision 0016.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from redis_mob.errors import ValidationError

_REPLICAS = re.compile(r"replicas:([1-9][0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Durability:
    """`memory`: nothing more. `fsync`: it is on the server's disk. `replicas:N`: N replicas have it."""

    fsync: bool = False
    replicas: int = 0

    def __str__(self) -> str:
        if self.replicas:
            return f"replicas:{self.replicas}"
        return "fsync" if self.fsync else "memory"

    @property
    def is_waited_for(self) -> bool:
        """Whether the reply to a write is not enough."""
        return self.fsync or self.replicas > 0

    def command(self, milliseconds: int) -> tuple[bytes | int, ...]:
        """What waits so long, at most, until the writes of a connection are that safe."""
        return (b"WAITAOF", 1, 0, milliseconds) if self.fsync else (b"WAIT", self.replicas, milliseconds)

    def reached(self, reply: Any) -> str | None:
        """Where the writes are instead, from the reply to the command; None when they are as safe as asked."""
        if self.fsync:
            return None if reply[0] >= 1 else "the memory of the primary"
        return None if reply >= self.replicas else f"the primary and {reply} of {self.replicas} replicas"

    @classmethod
    def parse(cls, text: str) -> Durability:
        """Read one of these texts; raises ValidationError for any other."""
        if text in ("memory", "fsync"):
            return cls(fsync=text == "fsync")
        if (replicas := _REPLICAS.fullmatch(str(text))) is not None:
            return cls(replicas=int(replicas[1]))
        raise ValidationError(f"durability {text!r}: write memory, fsync, or replicas:N with N from 1 to 999")
