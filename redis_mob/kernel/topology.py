"""Whether the topology of a mob lets its orchestrator address a role."""

from __future__ import annotations

from redis_mob.models.definition import MobDefinition, PolicyMode


def is_denied(definition: MobDefinition, role: str) -> bool:
    """Whether the topology forbids the orchestrator to address this role; the last rule that fits decides."""
    topology, orchestrator = definition.topology, definition.orchestrator
    if topology is None or orchestrator is None:
        return False
    # A topology restricts: what no rule speaks of is allowed.
    allowed = True
    for rule in topology.rules:
        if rule.from_role in ("*", orchestrator.profile) and rule.to_role in ("*", role):
            allowed = rule.allowed
    return not allowed


def is_forbidden(definition: MobDefinition, role: str) -> bool:
    """Whether addressing this role fails the run: it is denied, and the topology is strict."""
    strict = definition.topology is not None and definition.topology.mode is PolicyMode.STRICT
    return strict and is_denied(definition, role)
