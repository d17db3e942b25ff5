"""The sessions of one client: they number its calls, so that the server knows one that is sent again.

A number makes a repeated call find the reply of the first one (decision 0015).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import hiredis

from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.servers.requests import Part
from redis_mob.errors import ValidationError

LIFETIME = 600.0
"""Seconds that a session outlives its last prolongation, at least."""

PROLONGED_EVERY = 60.0
"""Seconds after which a session in use is prolonged."""

IDLE = 300.0
"""Seconds without a prolongation after which a session is given up for a new one, long before it may have expired."""

MOST_UNKNOWN = 100
"""Calls of unknown outcome after which a session is given up for a new one: their receipts may still be asked for."""

_RECEIPT = b"RECEIPT"
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_TOKEN = re.compile(r"([0-9a-f]{32}):([0-9]{1,6}):([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a write whose reply was lost.

    `reply` is what the server had answered, as the operation's script in lua/ says: 1 for a compare-and-swap that won,
    0 for one that lost, [cursor, time] of each appended event, and so on. It is None if nothing was executed.
    """

    executed: bool
    reply: Any = None


@dataclass(slots=True)
class Session:
    """What the server keeps receipts for under one key: as many as calls were ever under way at a time."""

    client: str
    key: str
    free: list[Slot] = field(default_factory=list[Any])
    slots: int = 0
    unknown: int = 0
    prolonged: float = float("-inf")


@dataclass(slots=True)
class Slot:
    """The place of one call under way, and of its receipt; `sequence` counts the calls that were in it."""

    session: Session
    number: int
    begun: float = 0.0
    remembered_until: float = 0.0
    sequence: int = 0
    acknowledged: int = 0
    """The greatest sequence number that was answered: a server without its receipt has gone back in time."""
    outcome_unknown: bool = False
    """Its receipt may still be asked for, so that no other call may take its place."""

    @property
    def may_have_expired(self) -> bool:
        """Whether the call is so old that the server may have forgotten that it did it."""
        return clock() > self.remembered_until

    @property
    def token(self) -> str:
        """What identifies the call for ever."""
        return f"{self.session.client}:{self.number}:{self.sequence}"


class Sessions:
    """The calls of one client in one namespace. `patience` is how long, in seconds, one call may be sent again."""

    def __init__(self, namespace: str, patience: float) -> None:
        self.namespace = namespace
        self._keys = Keys(namespace)
        self._lifetime = LIFETIME + patience
        self._time_to_live = int(self._lifetime * 1000)
        self._session = self._new()
        self.epoch: int | None = None
        """The epoch of the namespace that this client knows of; None until it was told."""

    def begin(self) -> Slot:
        """The slot of a new call, which `end` takes back."""
        now = clock()
        session = self._session
        if session.unknown >= MOST_UNKNOWN or (session.slots and now - session.prolonged > IDLE):
            session = self._session = self._new()
        if not session.free:
            session.free.append(Slot(session, session.slots))
            session.slots += 1
        slot = session.free.pop()
        slot.begun = now
        slot.remembered_until = now + self._lifetime - PROLONGED_EVERY
        slot.sequence += 1
        return slot

    def end(self, slot: Slot) -> None:
        """The call of a slot is over."""
        if slot.outcome_unknown:
            slot.session.unknown += 1
        else:
            slot.session.free.append(slot)

    def keys(self, keys: Sequence[str | bytes], slot: Slot) -> list[str | bytes]:
        """The keys of a call, and those of its session."""
        return [*keys, self._keys.meta, slot.session.key]

    def key(self, client: str) -> str:
        """The key of a session."""
        return self._keys.session(client)

    def arguments(self, arguments: Sequence[Part], slot: Slot) -> list[Part]:
        """The arguments of a call, and what lua/lib/session takes."""
        due = slot.begun - slot.session.prolonged >= PROLONGED_EVERY
        if due:
            slot.session.prolonged = slot.begun
        epoch = "-" if self.epoch is None else self.epoch
        call = f"{slot.number} {slot.sequence} {slot.acknowledged} {epoch} {self._time_to_live} {int(due)}"
        return [*arguments, call]

    def changed_epoch(self, epoch: int) -> None:
        """The namespace has another epoch: from now on this client speaks of it, and relies on no older receipt."""
        if epoch != self.epoch:
            self.epoch = epoch
            self._session = self._new()

    def _new(self) -> Session:
        client = uuid4().hex
        return Session(client, self.key(client))


def clock() -> float:
    """Seconds that also go on while the machine sleeps, as they do for the server."""
    return time.clock_gettime(_CLOCK)


def parse_token(token: str) -> tuple[str, int, int]:
    """(client, slot, sequence number) of a token; raises ValidationError for another text."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValidationError(f"{token!r} is no token of a write: pass on the token of an OutcomeUnknownError")
    return match[1], int(match[2]), int(match[3])


def first_reply(reply: Any) -> Any:
    """The reply of an operation, also where only its receipt was left."""
    if isinstance(reply, list) and len(cast("list[Any]", reply)) == 2 and reply[0] == _RECEIPT:
        return reply_in(cast("bytes", reply[1]))
    return cast("Any", reply)


def reply_in(receipt: bytes) -> Any:
    """The reply that a receipt holds."""
    reader = hiredis.Reader()
    reader.feed(receipt)
    return reader.gets()
