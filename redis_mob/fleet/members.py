"""The members of the roles of a mob, and the handlers that no role of it has."""

from __future__ import annotations

from collections.abc import Mapping

from redis_mob.codec.arguments import integer
from redis_mob.errors import ValidationError, nearest, shown
from redis_mob.fleet.step_context import ALL_ROLES
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.models.base import SortedDict
from redis_mob.models.definition import MobDefinition

MOST_MEMBERS = 100_000
"""The greatest number of members of a role: each has a name in the record of every run."""

MOST_NAMED = 5
"""Roles that the warning about unknown ones names."""


def unknown_roles(definition: MobDefinition, handlers: Mapping[str, BoundHandler]) -> str | None:
    """What to tell of handlers that serve nothing here, which is no error: one mapping may serve several mobs."""
    unknown = [role for role in handlers if role != ALL_ROLES and role not in definition.profiles]
    if not unknown:
        return None
    named = [f"{shown(role)} ({nearest(role, definition.profiles, most=3)})" for role in unknown[:MOST_NAMED]]
    more = " and others" if len(unknown) > MOST_NAMED else ""
    return f"mob {shown(definition.id)} has no role {', '.join(named)}{more}: no step of it calls the handler"


def named_members(definition: MobDefinition, counts: Mapping[str, int]) -> SortedDict[tuple[str, ...]]:
    """The members of each role, by name: as many as are asked for, one unless said. Raises ValidationError."""
    for role, count in counts.items():
        if role not in definition.profiles:
            raise ValidationError(f"members: the definition has no role {shown(role)}")
        if not 0 <= integer(f"members: the number of {shown(role)}", count) <= MOST_MEMBERS:
            raise ValidationError(f"members: role {shown(role)} cannot have {shown(count)} members")
    return SortedDict(
        {role: tuple(f"{role}-{n}" for n in range(1, counts.get(role, 1) + 1)) for role in definition.profiles}
    )
