"""The states of the nodes of a run, as the page has them: by `<frame_id>/<node_id>`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from redis_mob.models.base import format_timestamp
from redis_mob.models.states import State
from redis_mob.operations.run_description import NodeDescription, RunDescription, StepDescription
from redis_mob.ui.run_nodes import nodes_of

States = Mapping[str, Mapping[str, Any]]


def states_of(run: RunDescription) -> dict[str, dict[str, Any]]:
    """The state of each node, since when, the states of its members, and how many of them have completed."""
    return {f"{frame_id}/{node.node_id}": _state(node) for frame_id, node in nodes_of(run)}


def going_on(before: States, after: States, now: datetime) -> States:
    """The states of a run whose times were not read: since now if they have changed, or else as before."""
    at = format_timestamp(now)
    return {node: {**state, "since": _since(before.get(node), state, at)} for node, state in after.items()}


def _since(before: Mapping[str, Any] | None, after: Mapping[str, Any], now: str) -> str | None:
    if before is not None and before["state"] == after["state"]:
        return before.get("since")
    return None if before is None and after["state"] == "waiting" else now


def changed(before: States, after: States) -> States:
    """Those that are new, or others than before."""
    return {node: state for node, state in after.items() if before.get(node) != state}


def _state(node: NodeDescription) -> dict[str, Any]:
    told: dict[str, Any] = {"state": str(node.state)}
    if isinstance(node, StepDescription):
        since = node.ended_at or node.began_at
        told["since"] = None if since is None else format_timestamp(since)
        told["members"] = {member.member: str(member.state) for member in node.members}
        told["completed"] = sum(member.state is State.COMPLETED for member in node.members)
        if node.items is not None:
            told["items"] = node.items.model_dump(mode="json", exclude={"reasons"})
    return told
