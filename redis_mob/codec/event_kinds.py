"""The kinds of events as callers name them."""

from __future__ import annotations

from redis_mob.codec.arguments import text
from redis_mob.errors import ValidationError, did_you_mean, nearest, shown
from redis_mob.models.events import EVENT_KINDS
from redis_mob.models.unknown_event import LATER_KINDS


def event_kind(kind: object) -> str:
    """The type of a kind of events, also of one that has no class here.

    Raises ValidationError for one that is not known and looks like one that is: it would be waited for in vain.
    """
    given = text("kind", kind)
    if given not in EVENT_KINDS and given not in LATER_KINDS and did_you_mean(given, EVENT_KINDS):
        raise ValidationError(f"no event is of kind {shown(given)}; {nearest(given, EVENT_KINDS, 3)}")
    return given
