"""Server-sent events as bytes, and events of the log as a tab is told of them."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from redis_mob.models.base import format_timestamp
from redis_mob.models.events import MobEvent, flow_of_kind
from redis_mob.operations.audit import action_of, concerned_run

LONGEST_REASON = 300
"""Characters of why something failed that a live event has; the events of the run have all of it."""

HEARTBEAT = b": still here\n\n"


def message(name: str, data: Any, cursor: int | None = None) -> bytes:
    """An event for a tab. The cursor is what a browser that was cut off says it has come to."""
    head = f"event: {name}\n" if cursor is None else f"id: {cursor}\nevent: {name}\n"
    return head.encode() + b"data: " + to_json(data, inf_nan_mode="null") + b"\n\n"


def small(event: MobEvent) -> dict[str, Any]:
    """An event of the log without what may be long, or is secret."""
    kind = event.kind
    told: dict[str, Any] = {
        "cursor": event.cursor,
        "at": format_timestamp(event.timestamp),
        "type": kind.type,
        "mob_id": event.mob_id,
        "run_id": concerned_run(event),
        "step_id": step_id if isinstance(step_id := getattr(kind, "step_id", None), str) else None,
        "member": member_in(event),
    }
    if (flow_id := flow_of_kind(kind)) is not None:
        told["flow_id"] = flow_id
    if isinstance(reason := getattr(kind, "reason", None), str):
        told["reason"] = reason[:LONGEST_REASON]
    if (action := action_told(event)) is not None:
        told["action"] = action
    return told


def action_told(event: MobEvent) -> dict[str, Any] | None:
    """What an operator did, without what is for programs; None for other events."""
    action = action_of(event)
    return None if action is None else action.model_dump(mode="json", exclude={"key"})


def member_in(event: MobEvent) -> str | None:
    """The member that an event is about, if it is about one."""
    found = getattr(getattr(event.kind, "target", None), "identity", None)
    return found if isinstance(found, str) else None
