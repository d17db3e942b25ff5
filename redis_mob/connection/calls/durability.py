"""What the server is to have done with a write before its caller hears that it happened.

What each level is worth on which server: decision 0016.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from redis_mob.errors import ValidationError, shown

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
        # no replicas for fsync, since it promises the disk of the primary alone
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
        raise ValidationError(f"durability {shown(text)}: write memory, fsync, or replicas:N with N from 1 to 999")


FSYNC_OF_EACH_WRITE = {"appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
"""The settings of a server that answers a write only when its disk has it, also while it rewrites its file."""


class FsyncPromise(Enum):
    """What a server can promise with durability `fsync`."""

    NO_FILE = "it keeps no append-only file"
    EACH_WRITE = "what it has answered is on its disk"
    WAITAOF = "what it has confirmed survives the end of its process, but not a power failure"
    NOTHING = "it neither syncs each write nor has WAITAOF"

    @classmethod
    def of(cls, *, keeps_file: bool, settings: Mapping[str, str], has_waitaof: bool) -> FsyncPromise:
        """The promise of a server, from what may be read of its settings. The storage and the doctor both decide by it.

        WAITAOF alone is the weaker promise: with appendfsync everysec it answers too early (redis/redis#13793).
        """
        if not keeps_file:
            return cls.NO_FILE
        if not lacking_for_fsync(settings):
            return cls.EACH_WRITE
        return cls.WAITAOF if has_waitaof else cls.NOTHING


def lacking_for_fsync(settings: Mapping[str, str]) -> list[str]:
    """The settings that a server lacks to sync each write, as `name value`."""
    return [f"{name} {value}" for name, value in FSYNC_OF_EACH_WRITE.items() if settings.get(name) != value]
