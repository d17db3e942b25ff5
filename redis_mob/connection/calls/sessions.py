"""The sessions of one client: they number its calls, so that the server knows one that is sent again.

A number makes a repeated call find the reply of the first one (decision 0015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis_mob.connection.calls.answers import Answer
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.tokens import CallNumber, TokenKey
from redis_mob.connection.servers.requests import Part
from redis_mob.host_environment import environment

LIFETIME = 600.0
"""Seconds that a session outlives its last prolongation, at least."""

PROLONGED_EVERY = 60.0
"""Seconds after which a session in use is prolonged."""

IDLE = 300.0
"""Seconds without a prolongation after which a session is given up for a new one, long before it may have expired."""

MOST_UNKNOWN = 100
"""Calls of unknown outcome after which a session is given up for a new one, once one more call was answered.

Their receipts may still be asked for.
"""


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a write whose reply was lost.

    `reply` is what the server had answered, as the operation's script in lua/ says: 1 for a compare-and-swap that won,
    0 for one that lost, [cursor, time] of each event that was appended, those of other tasks among them that appended
    in the same turn of the event loop, and so on. It is None if nothing was executed.
    """

    executed: bool
    reply: Any = None


@dataclass(slots=True)
class Session:
    """What the server keeps receipts for under one key: as many as calls were ever under way at a time.

    `prolonged` is when the server last gave it its full time to live, as far as it has answered. It is not when it was
    last asked to: of a request that was lost the server knows nothing, and a session that has expired earlier than its
    client expects looks like lost receipts.
    """

    client: str
    key: str
    prolonged: float
    asked: float = float("-inf")
    """When a call last asked the server to prolong it, so that not every call does."""
    free: list[Slot] = field(default_factory=list[Any])
    slots: int = 0
    unknown: int = 0
    last_answered: tuple[int, int] = (0, 0)
    """The slot and number of the call whose recorded answer came last: what a new slot asks the server for.

    Slots of unknown outcome are not used again. When a failover loses the replies of all calls under way, no other slot
    would be left to find out what else it has lost.
    """
    in_doubt: bool = False
    """Since the last recorded answer, a call had an unknown outcome: the server may have lost what is acknowledged."""


@dataclass(slots=True)
class Slot:
    """The row of a session in which one call under way has its receipt; `sequence` counts the calls that were in it."""

    session: Session
    number: int
    begun: float = 0.0
    remembered_until: float = 0.0
    sequence: int = 0
    acknowledged: int = 0
    """The greatest sequence number whose answer has a receipt: a server without that receipt has gone back in time.

    It is raised after the answer has come, and never for an answer without a receipt: a cancelled call, or one whose
    reply was lost, may have left none.
    """
    prolongs: bool = False
    """The call asks for a longer life of its session, and no answer has said yet that it got it."""
    outcome_unknown: bool = False
    """Its receipt may still be asked for, so that no other call may overwrite it."""

    @property
    def known_receipt(self) -> Part:
        """Of which call the server must have a receipt, or it has gone back in time: as lua/lib/session takes it."""
        return self.acknowledged or "{}:{}".format(*self.session.last_answered)

    @property
    def may_have_expired(self) -> bool:
        """Whether the call is so old that the server may have forgotten that it did it."""
        return clock() > self.remembered_until


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
        self.token_key = TokenKey.generate()
        """The key of the namespace; until that is known, one of this client alone."""

    def begin(self) -> Slot:
        """The slot of a new call, which `end` takes back."""
        now = clock()
        session = self._session
        # an old session is given up long before the server may forget it: what it had acknowledged would look lost
        expires = session.slots and now - session.prolonged > IDLE
        # not while in doubt: a new session would not find out that the server has lost what the old one knows of
        if expires or (session.unknown >= MOST_UNKNOWN and not session.in_doubt):
            session = self._session = self._new()
        if not session.free:
            session.free.append(Slot(session, session.slots))
            session.slots += 1
        slot = session.free.pop()
        slot.begun = now
        # from the last answer, not from now: the server may have missed every later request to prolong it
        slot.remembered_until = session.prolonged + self._lifetime
        slot.sequence += 1
        return slot

    def answered(self, slot: Slot, answer: Answer) -> None:
        """The call of a slot was answered."""
        if not answer.recorded:
            return  # the receipt of the call before is still there, and is the one to look for
        slot.acknowledged = slot.sequence
        slot.session.last_answered = slot.number, slot.sequence
        slot.session.in_doubt = False
        if slot.prolongs and not answer.repeated:  # a repeated reply does not say what came of the first attempt
            slot.prolongs = False
            slot.session.prolonged = slot.begun

    def end(self, slot: Slot) -> None:
        """The call of a slot is over, however it ended."""
        if slot.prolongs:
            slot.prolongs = False
            slot.session.asked = float("-inf")  # it is not known to be prolonged: the next call asks again
        if slot.outcome_unknown:
            slot.session.unknown += 1
            slot.session.in_doubt = True
        else:
            # also after a cancellation: the next call fences an original that is still under way by its greater number
            slot.session.free.append(slot)

    def keys(self, keys: Sequence[str | bytes], slot: Slot) -> list[str | bytes]:
        """The keys of a call, and those of its session."""
        return [*keys, self._keys.meta, slot.session.key]

    def key(self, client: str) -> str:
        """The key of a session."""
        return self._keys.session(client)

    def arguments(self, arguments: Sequence[Part], slot: Slot) -> list[Part]:
        """The arguments of a call, and what lua/lib/session takes."""
        slot.prolongs = slot.begun - slot.session.asked >= PROLONGED_EVERY
        if slot.prolongs:
            slot.session.asked = slot.begun
        epoch = "-" if self.epoch is None else self.epoch
        time_to_live = self._time_to_live if slot.prolongs or not slot.acknowledged else ""
        return [*arguments, slot.number, slot.sequence, slot.known_receipt, epoch, time_to_live]

    def token(self, slot: Slot) -> str:
        """The token with which the outcome of the call of a slot may be asked for."""
        return self.token_key.issue(CallNumber(slot.session.client, slot.number, slot.sequence))

    def changed_epoch(self, epoch: int) -> None:
        """The namespace has another epoch: from now on this client speaks of it, and relies on no older receipt."""
        # calls that were under way together are all refused, and only the first of them changes anything here
        if epoch != self.epoch:
            self.epoch = epoch
            self.give_up()

    def give_up(self) -> None:
        """Let later calls begin a new session, and rely on no receipt of this one."""
        self._session = self._new()

    def _new(self) -> Session:
        client = environment().new_id().hex
        return Session(client, self.key(client), prolonged=clock())


def clock() -> float:
    """Seconds that also go on while the machine sleeps, as they do for the server: receipts expire meanwhile."""
    return environment().boot_time()
