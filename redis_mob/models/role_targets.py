"""The members that each role of a run stands for, as meerkat 0.9 stores it."""

from typing import Annotated

from pydantic import AfterValidator

from redis_mob.errors import shown
from redis_mob.models.base import Items, SortedDict


def _checked(targets: SortedDict[tuple[str, ...]]) -> SortedDict[tuple[str, ...]]:
    if not targets:
        raise ValueError("it names no role")
    for role, members in targets.items():
        if not members:
            raise ValueError(f"role {shown(role)} has no members")
        if len({*members}) < len(members):
            raise ValueError(f"role {shown(role)} names a member twice")
    return SortedDict({role: tuple(sorted(members)) for role, members in targets.items()})


RoleTargets = Annotated[SortedDict[Items[str]], AfterValidator(_checked)]
"""The members of each role, in the byte order of both; no role is without members, and none is named twice."""
