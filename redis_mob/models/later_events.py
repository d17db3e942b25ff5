"""Kinds of events that meerkat has written before 0.6.6 or writes since 0.7, of which no fleet of ours writes any.

Fields that only meerkat's runtime can act on are kept as unknown ones (contract: json-11).
"""

from typing import Literal

from redis_mob.models.base import U64, Items, Model, Uuid
from redis_mob.models.definition import MobDefinition
from redis_mob.models.ids import AgentRuntimeId


class TaskCreated(Model):
    """A task was put on the board of a mob; until meerkat 0.6.6."""

    type: Literal["task_created"] = "task_created"
    task_id: str
    subject: str
    description: str
    blocked_by: Items[str]


class TaskUpdated(Model):
    """A task has another status or owner; until meerkat 0.6.6."""

    type: Literal["task_updated"] = "task_updated"
    task_id: str
    status: str
    owner: str | None = None


class MobDefinitionUpdated(Model):
    """The mob is as this definition says from here on; `epoch` counts its definitions. Since meerkat 0.8."""

    type: Literal["mob_definition_updated"] = "mob_definition_updated"
    epoch: U64
    definition: MobDefinition


class MobStopped(Model):
    """The mob takes no more work until it is resumed. Since meerkat 0.8."""

    type: Literal["mob_stopped"] = "mob_stopped"


class MobOwnerBridgeSessionBound(Model):
    """The mob belongs to a session. Since meerkat 0.7."""

    type: Literal["mob_owner_bridge_session_bound"] = "mob_owner_bridge_session_bound"
    bridge_session_id: Uuid
    destroy_on_owner_archive: bool
    implicit_delegation_mob: bool


class MemberRetirementStarted(Model):
    """A member is being dismissed. Since meerkat 0.7."""

    type: Literal["member_retirement_started"] = "member_retirement_started"
    agent_identity: str
    agent_runtime_id: AgentRuntimeId
    generation: U64
    role: str
    releasing: Uuid | None = None
    session_id: Uuid | None = None


class RemoteMemberRuntimeRetired(Model):
    """The runtime of a remote member is gone. Since meerkat 0.7."""

    type: Literal["remote_member_runtime_retired"] = "remote_member_runtime_retired"
    agent_identity: str
    agent_runtime_id: AgentRuntimeId
    fence_token: U64
    generation: U64


class RemoteMemberSupervisorRevoked(Model):
    """A remote member no longer obeys the supervisor. Since meerkat 0.7."""

    type: Literal["remote_member_supervisor_revoked"] = "remote_member_supervisor_revoked"
    agent_identity: str
    agent_runtime_id: AgentRuntimeId
    fence_token: U64
    generation: U64


class ObjectiveOwnerBound(Model):
    """A member owns an objective. Since meerkat 0.7."""

    type: Literal["objective_owner_bound"] = "objective_owner_bound"
    owner: str
    objective_id: Uuid


class ObjectiveConcluded(Model):
    """A member has concluded an objective. Since meerkat 0.7."""

    type: Literal["objective_concluded"] = "objective_concluded"
    member: str
    objective_id: Uuid
    outcome: str


class RespawnTopologyAbandoned(Model):
    """What was kept of a member's wiring for its next generation was given up. Since meerkat 0.8."""

    type: Literal["respawn_topology_abandoned"] = "respawn_topology_abandoned"
    agent_identity: str
    generation: U64


class OrchestratorResumeNotificationFailed(Model):
    """The orchestrator could not be told that the mob goes on. Since meerkat 0.9."""

    type: Literal["orchestrator_resume_notification_failed"] = "orchestrator_resume_notification_failed"
    member_id: str
    session_id: Uuid
    reason: str
