"""Tells that a role is addressed which the topology of the mob denies to its orchestrator."""

from __future__ import annotations

from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.kernel.topology import is_denied
from redis_mob.models.flow_events import TopologyViolation


def record_violation(builder: TransitionBuilder, role: str) -> None:
    """Add an event when a role is addressed that the topology, an advisory one, denies."""
    orchestrator = builder.definition.orchestrator
    if orchestrator is not None and is_denied(builder.definition, role):
        builder.tell(TopologyViolation(from_role=orchestrator.profile, to_role=role))
