"""Runs that are named by what their ids begin with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from redis_mob.codec.arguments import text
from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.models.base import canonical_run_id

LENGTH = 36
"""Of an id as it is spelled."""

MOST_NAMED = 10
"""How many runs an error names whose ids begin alike."""

_BEGINNING = re.compile(r"[0-9a-f]{4,32}")
_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def beginning_of_ids(prefix: object) -> str:
    """These digits, at least four, as ids are spelled; an id in any spelling as it is. Raises ValidationError."""
    given = text("prefix", prefix)
    try:
        return canonical_run_id(given)
    except ValueError:
        digits = given.lower().replace("-", "")
    if _BEGINNING.fullmatch(digits) is None:
        raise ValidationError(f"a run is named by its id, or at least the first 4 digits of it, not by {shown(given)}")
    return "-".join(part for first, last in _PARTS if (part := digits[first:last]))


def one_of(prefix: str, found: Sequence[str]) -> str:
    """The one run that was found. Raises NotFoundError if there is none, ValidationError if there are several."""
    if not found:
        raise NotFoundError(f"there is no run {shown(prefix)}, and none whose id begins like that")
    if len(found) > 1:
        more = ", and more" if len(found) > MOST_NAMED else ""
        raise ValidationError(
            f"several runs have ids that begin with {shown(prefix)}: "
            f"{', '.join(sorted(found)[:MOST_NAMED])}{more}; give more digits of the one that is meant"
        )
    return found[0]
