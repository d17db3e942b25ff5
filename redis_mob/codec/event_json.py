"""Events as JSON for others: what is printed, and what is posted."""

from __future__ import annotations

from redis_mob.models.events import MobEvent


def event_json(event: MobEvent) -> str:
    """The event as one JSON object, without the token of an operator."""
    return event.model_dump_json(exclude={"kind": {"principal_token"}})
