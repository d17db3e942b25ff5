"""Which flow of a mob is meant: by its id, or as `Mob.flow` returns it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from redis_mob.codec.arguments import valid_text
from redis_mob.errors import NotFoundError, did_you_mean, shown


@runtime_checkable
class NamedFlow(Protocol):
    """A flow that knows its id and its mob's."""

    @property
    def id(self) -> str:
        """Its id, which no other flow of the mob has."""
        ...

    @property
    def mob_id(self) -> str:
        """The mob that it belongs to."""
        ...


def chosen_flow(flow: str | NamedFlow, mob_id: str, flows: Collection[str]) -> str:
    """The id of a flow, if it is one of these of the mob. Raises NotFoundError, which names those that there are."""
    if isinstance(flow, NamedFlow) and flow.mob_id != mob_id:
        raise NotFoundError(f"flow {shown(flow.id)} belongs to mob {shown(flow.mob_id)}, not to {shown(mob_id)}")
    flow_id = flow.id if isinstance(flow, NamedFlow) else valid_text("flow", flow)
    if flow_id not in flows:
        known = ", ".join(map(shown, flows)) or "none"
        hint = did_you_mean(flow_id, flows)
        raise NotFoundError(f"mob {shown(mob_id)} has no flow {shown(flow_id)}; it has: {known}{hint}")
    return flow_id
