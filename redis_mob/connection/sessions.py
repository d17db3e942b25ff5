"""The session of one client: numbers its calls, so that the server can tell one that is sent again from a new one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import hiredis

from redis_mob.connection.keys import Keys
from redis_mob.connection.transport import Part

PROLONGED_EVERY = 60.0
"""Seconds after which a session is prolonged; lua/lib/session lets it live ten times as long."""

_RECEIPT = b"RECEIPT"


@dataclass(slots=True)
class Slot:
    """The place of one call under way, and of its receipt; `sequence` counts the calls that were in it."""

    number: int
    sequence: int = 0
    outcome_unknown: bool = False
    """Its receipt may still be asked for, so that no other call may take its place."""


class Session:
    """The calls of one client in one namespace; as many slots as calls were ever under way at a time."""

    def __init__(self, namespace: str) -> None:
        self._client = uuid4().hex
        self._key = Keys(namespace).session(self._client)
        self._free: list[Slot] = []
        self._slots = 0
        self._prolonged = -PROLONGED_EVERY

    def begin(self) -> Slot:
        """The slot of a new call, which `end` takes back."""
        if not self._free:
            self._free.append(Slot(self._slots))
            self._slots += 1
        slot = self._free.pop()
        slot.sequence += 1
        return slot

    def end(self, slot: Slot) -> None:
        """The call of a slot is over."""
        if not slot.outcome_unknown:
            self._free.append(slot)

    def keys(self, keys: Sequence[str | bytes]) -> list[str | bytes]:
        """The keys of a call, and that of the session."""
        return [*keys, self._key]

    def arguments(self, arguments: Sequence[Part], slot: Slot) -> list[Part]:
        """The arguments of a call, and what lua/lib/session takes."""
        now = time.monotonic()
        due = now - self._prolonged >= PROLONGED_EVERY
        if due:
            self._prolonged = now
        return [*arguments, slot.number, slot.sequence, int(due)]

    def token(self, slot: Slot) -> str:
        """What identifies a call for ever."""
        return f"{self._client}:{slot.number}:{slot.sequence}"


def first_reply(reply: Any) -> Any:
    """The reply of an operation, also where only its receipt was left."""
    if not (isinstance(reply, list) and len(cast("list[Any]", reply)) == 2 and reply[0] == _RECEIPT):
        return cast("Any", reply)
    reader = hiredis.Reader()
    reader.feed(cast("bytes", reply[1]))
    return reader.gets()
