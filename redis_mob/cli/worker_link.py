"""What a worker process and the one that started it say to each other: a line of JSON each, over the worker's pipes.

Standard input of the worker holds its orders, and then stays open: when it ends, the worker ends. Standard output
holds reports. Standard error is left to what handlers print.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

STOP_GRACE = 5.0
"""Seconds that a worker has to end after its link was cut."""

HAND_BACK_GRACE = 2.0
"""The last of these seconds, in which it hands back what it still executes."""

DRAIN = b"d"
"""What a worker reads after its orders when it is to take no more work, and to end when what it executes has ended."""


@dataclass(frozen=True, slots=True)
class WorkerOrders:
    """All that a worker process needs to know.

    `url` may hold a password, `seal_keys` is the text of a ring, secrets included, or None; `lease` and `drain_timeout`
    are in seconds. The worker serves runs of `mob` that ask for no release, and those of its own, and is
    made for the definition with these digests. `retention` is what the mob declares, as JSON.
    """

    url: str = field(repr=False)
    namespace: str
    mob: str
    definitions: tuple[str, ...]
    release: str | None
    handler: str
    lease: float
    drain_timeout: float
    concurrency: int
    max_orphaned_turns: int
    durability: str
    seal_keys: str | None = field(repr=False)
    retention: str

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> WorkerOrders:
        fields: dict[str, Any] = json.loads(line)
        fields["definitions"] = tuple(fields["definitions"])
        return cls(**fields)


class ReportKind(StrEnum):
    """READY: it serves. TROUBLE: something went wrong, and it goes on. FATAL: why it ends now."""

    READY = "ready"
    TROUBLE = "trouble"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker has to say to the one that started it."""

    kind: ReportKind
    text: str = ""

    def encode(self) -> bytes:
        return json.dumps([self.kind, self.text]).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Report | None:
        """None for a line that is no report: something printed before the worker was set up."""
        try:
            kind, text = json.loads(line)
            return cls(ReportKind(kind), text)
        except (ValueError, TypeError):
            return None
