"""What the server is to have done with a write before its caller hears that it happened."""

from __future__ import annotations

import re
from dataclasses import dataclass

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

    @classmethod
    def parse(cls, text: str) -> Durability:
        """Read one of these texts; raises ValidationError for any other."""
        if text in ("memory", "fsync"):
            return cls(fsync=text == "fsync")
        if (replicas := _REPLICAS.fullmatch(text)) is not None:
            return cls(replicas=int(replicas[1]))
        raise ValidationError(f"durability {text!r}: write memory, fsync, or replicas:N with N from 1 to 999")
