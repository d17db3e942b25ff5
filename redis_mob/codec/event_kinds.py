"""The kinds of events as callers name them."""

from __future__ import annotations

from difflib import get_close_matches

from redis_mob.codec.arguments import text
from redis_mob.errors import ValidationError, nearest, shown
from redis_mob.models.events import EVENT_KINDS
from redis_mob.models.unknown_event import LATER_KINDS

MOST_COMPARED = 100
"""Characters of a kind that are looked at; all that are known have fewer."""

MISSPELLED = 0.9
"""How like a known kind one is that is taken for a slip of the keyboard: one or two of its letters are others."""


def event_kind(kind: object) -> str:
    """The type of a kind of events, also of one that has no class here.

    Raises ValidationError for one that is not known and looks like one that is: it would be waited for in vain.
    """
    given = text("kind", kind)
    if given not in EVENT_KINDS and given not in LATER_KINDS and _is_slip(given):
        raise ValidationError(f"no event is of kind {shown(given)}; {nearest(given, EVENT_KINDS, 3)}")
    return given


def _is_slip(kind: str) -> bool:
    return bool(get_close_matches(kind[:MOST_COMPARED], EVENT_KINDS, n=1, cutoff=MISSPELLED))
