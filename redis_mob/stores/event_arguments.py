"""Events as arguments of scripts, for every script that appends to the log.

The models of events are imported when one is written: what reads runs needs none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from redis_mob.codec.changes import counted
from redis_mob.codec.ledgers import microseconds, moment
from redis_mob.codec.packing import Argument
from redis_mob.connection.calls.keys import Keys
from redis_mob.models.base import U64_MAX

if TYPE_CHECKING:
    from redis_mob.models.events import MobEvent, NewMobEvent

_YEAR_ONE = 62_135_596_800_000_000
"""Microseconds from the first representable moment to 1970: added, every timestamp is a number that sorts as text."""


def log_keys(keys: Keys) -> list[str]:
    """The keys that lua/lib/event_log works on, in its order."""
    return [keys.meta, keys.events, keys.events_index, keys.events_by_time, keys.wake_events]


def order_text(since_epoch: int) -> str:
    """A timestamp as eighteen digits that sort as text."""
    return f"{since_epoch + _YEAR_ONE:018d}"


def event_arguments(event: NewMobEvent, *, is_vouched: bool = False) -> list[Argument]:
    """One event as scripts take it: mob, timestamp, order, kind, identities."""
    from redis_mob.codec.events import encode_new_event

    encoded = encode_new_event(event, is_vouched=is_vouched)
    order = b"" if event.timestamp is None else order_text(microseconds(event.timestamp)).encode()
    identities: list[Argument] = []
    if encoded.terminal:
        identities = [b"t" + encoded.terminal]
    elif encoded.once:
        content = blake2b(encoded.kind, digest_size=16).digest()
        identities = [b"f" + encoded.once, b"c" + encoded.once + content]
    return [encoded.mob_id, encoded.timestamp, order, encoded.kind, *counted(identities)]


def stored_event(event: NewMobEvent, reply: Sequence[bytes | int]) -> MobEvent:
    """The event as it was stored, from a script's reply {cursor, timestamp}."""
    from redis_mob.codec.events import unknown_of
    from redis_mob.models.events import MobEvent

    cursor, timestamp = reply
    stored = MobEvent.unchecked(
        cursor=int(cursor),
        timestamp=moment(int(timestamp)),
        mob_id=event.mob_id,
        kind=event.kind,
        envelope=event.envelope,
    )
    unknown = unknown_of(event)
    return stored.model_copy(update=unknown) if unknown else stored


def cursor_argument(cursor: int) -> int:
    """A cursor within the range of stream ids; a number outside of it is before or after all of them."""
    return min(max(cursor, 0), U64_MAX)
