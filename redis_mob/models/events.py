"""What happened in a mob: events, and the kinds of them (contract: json-10, json-11)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from redis_mob.models.base import (
    U32,
    U64,
    Items,
    JsonValue,
    Model,
    RunId,
    SortedDict,
    Timestamp,
    Uuid,
    WireEnum,
    is_none,
)
from redis_mob.models.definition import MobDefinition
from redis_mob.models.failure import AgentErrorReport, TurnError
from redis_mob.models.ids import HIDE_INPUT, AgentRuntimeId, KeyBytes
from redis_mob.models.member_ref import MemberRef
from redis_mob.models.profile import MobRuntimeMode


class MobCreated(Model):
    """The mob exists from here on, as this definition says; steps and nodes keep their order (contract: events-20)."""

    type: Literal["mob_created"] = "mob_created"
    definition: MobDefinition


class MobCompleted(Model):
    """The mob's work is done."""

    type: Literal["mob_completed"] = "mob_completed"


class MobDestroying(Model):
    """The mob is being taken apart."""

    type: Literal["mob_destroying"] = "mob_destroying"


class MobDestroyStorageFinalizing(Model):
    """The mob is taken apart up to its storage."""

    type: Literal["mob_destroy_storage_finalizing"] = "mob_destroy_storage_finalizing"


class MobReset(Model):
    """The mob starts over."""

    type: Literal["mob_reset"] = "mob_reset"


class Ephemeral(Model):
    """The member's identity ends with the member."""

    type: Literal["ephemeral"] = "ephemeral"


class DurableIdentity(Model):
    """The member's identity lives on under a key."""

    type: Literal["durable_identity"] = "durable_identity"
    continuity_key: str


ContinuityIntent: TypeAlias = Annotated[Ephemeral | DurableIdentity, Field(discriminator="type")]
"""Whether a member's identity outlives it."""


def _is_ephemeral(intent: ContinuityIntent) -> bool:
    return isinstance(intent, Ephemeral)


def _is_empty(labels: SortedDict[str]) -> bool:
    return not labels


class MemberSpawned(Model):
    """A member was started.

    `bridge_member_ref` is for stores: they keep it, and `model_dump_json` leaves it out.
    """

    model_config = HIDE_INPUT

    type: Literal["member_spawned"] = "member_spawned"
    agent_identity: str
    generation: U64
    fence_token: U64
    agent_runtime_id: AgentRuntimeId
    role: str
    runtime_mode: MobRuntimeMode = MobRuntimeMode.AUTONOMOUS_HOST
    labels: SortedDict[str] = Field(default=SortedDict(), exclude_if=_is_empty)
    continuity_intent: ContinuityIntent = Field(default=Ephemeral(), exclude_if=_is_ephemeral)
    bridge_member_ref: MemberRef | None = Field(default=None, exclude=True)


class MemberRetired(Model):
    """A member was dismissed."""

    type: Literal["member_retired"] = "member_retired"
    agent_identity: str
    generation: U64
    role: str


class MemberReset(Model):
    """A member was started anew, one generation up."""

    type: Literal["member_reset"] = "member_reset"
    agent_identity: str
    previous_generation: U64
    new_generation: U64
    fence_token: U64
    agent_runtime_id: AgentRuntimeId


class KickoffPhase(WireEnum):
    """Where the first turn of a member stands."""

    PENDING = "pending"
    STARTING = "starting"
    CALLBACK_PENDING = "callback_pending"
    STARTED = "started"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SystemTime(Model):
    """A moment in nanoseconds, as seconds since 1970 and the rest."""

    secs_since_epoch: U64
    nanos_since_epoch: U32


class MemberKickoff(Model):
    """How the first turn of a member goes."""

    phase: KickoffPhase
    error: str | None = Field(default=None, exclude_if=is_none)
    updated_at: SystemTime


class MemberKickoffUpdated(Model):
    """The first turn of a member went on."""

    type: Literal["member_kickoff_updated"] = "member_kickoff_updated"
    member: str
    kickoff: MemberKickoff


class WiringEdge(Model):
    """Two members that may talk to each other; `a` sorts before `b` by convention, unchecked."""

    a: str
    b: str


class MembersWired(Model):
    """Two members may talk to each other; `a` sorts before `b` by convention, unchecked."""

    type: Literal["members_wired"] = "members_wired"
    a: str
    b: str


class MembersWiredBatch(Model):
    """Pairs of members may talk to each other."""

    type: Literal["members_wired_batch"] = "members_wired_batch"
    edges: Items[WiringEdge]


class MembersUnwired(Model):
    """Two members may no longer talk to each other; `a` sorts before `b` by convention, unchecked."""

    type: Literal["members_unwired"] = "members_unwired"
    a: str
    b: str


class PeerTransport(WireEnum):
    """How a peer is connected."""

    INPROC = "inproc"
    UDS = "uds"
    TCP = "tcp"


class PeerAddress(Model):
    """Where a peer listens."""

    transport: PeerTransport
    endpoint: str


class ExternalPeerSpec(Model):
    """A peer outside the mob."""

    peer_id: Uuid
    name: str
    address: PeerAddress
    pubkey: KeyBytes


class ExternalPeerWired(Model):
    """A member may talk to a peer outside the mob."""

    type: Literal["external_peer_wired"] = "external_peer_wired"
    local: str
    spec: ExternalPeerSpec


class ExternalPeerUnwired(Model):
    """A member may no longer talk to a peer outside the mob."""

    type: Literal["external_peer_unwired"] = "external_peer_unwired"
    local: str
    peer_name: str


class FlowStarted(Model):
    """A run began."""

    type: Literal["flow_started"] = "flow_started"
    run_id: RunId
    flow_id: str
    params: JsonValue


class FlowCompleted(Model):
    """A run ended well. A `structured_output` of null is the same as none."""

    type: Literal["flow_completed"] = "flow_completed"
    run_id: RunId
    flow_id: str
    structured_output: JsonValue | None = Field(default=None, exclude_if=is_none)


class FlowFailed(Model):
    """A run ended badly."""

    type: Literal["flow_failed"] = "flow_failed"
    run_id: RunId
    flow_id: str
    reason: str


class FlowCanceled(Model):
    """A run was called off."""

    type: Literal["flow_canceled"] = "flow_canceled"
    run_id: RunId
    flow_id: str


class StepDispatched(Model):
    """A step was handed to a member."""

    type: Literal["step_dispatched"] = "step_dispatched"
    run_id: RunId
    step_id: str
    target: AgentRuntimeId


class StepTargetCompleted(Model):
    """A member did its part of a step."""

    type: Literal["step_target_completed"] = "step_target_completed"
    run_id: RunId
    step_id: str
    target: AgentRuntimeId


class StepTargetFailed(Model):
    """A member failed at its part of a step."""

    type: Literal["step_target_failed"] = "step_target_failed"
    run_id: RunId
    step_id: str
    target: AgentRuntimeId
    reason: str
    error_report: AgentErrorReport | None = Field(default=None, exclude_if=is_none)
    error: TurnError | None = Field(default=None, exclude_if=is_none)


class StepCompleted(Model):
    """A step is done."""

    type: Literal["step_completed"] = "step_completed"
    run_id: RunId
    step_id: str


class StepFailed(Model):
    """A step failed."""

    type: Literal["step_failed"] = "step_failed"
    run_id: RunId
    step_id: str
    reason: str


class StepSkipped(Model):
    """A step will not be done."""

    type: Literal["step_skipped"] = "step_skipped"
    run_id: RunId
    step_id: str
    reason: str


class TopologyViolation(Model):
    """Work was handed from one role to another against the rules."""

    type: Literal["topology_violation"] = "topology_violation"
    from_role: str
    to_role: str


class SupervisorEscalation(Model):
    """The supervisor was told of a step."""

    type: Literal["supervisor_escalation"] = "supervisor_escalation"
    run_id: RunId
    step_id: str
    escalated_to: str


class CallerProvenance(Model):
    """From where an operator acted."""

    caller_session_id: Uuid | None = Field(default=None, exclude_if=is_none)
    caller_mob_id: str | None = Field(default=None, exclude_if=is_none)
    caller_member_id: str | None = Field(default=None, exclude_if=is_none)


class OperatorActionRecorded(Model):
    """An operator used a tool on the mob; `principal_token` stands for who it was."""

    type: Literal["operator_action_recorded"] = "operator_action_recorded"
    tool_name: str
    principal_token: str = Field(repr=False)
    caller_provenance: CallerProvenance | None = Field(default=None, exclude_if=is_none)
    audit_invocation_id: str | None = Field(default=None, exclude_if=is_none)


MobEventKind: TypeAlias = Annotated[
    MobCreated
    | MobCompleted
    | MobDestroying
    | MobDestroyStorageFinalizing
    | MobReset
    | MemberSpawned
    | MemberRetired
    | MemberReset
    | MemberKickoffUpdated
    | MembersWired
    | MembersWiredBatch
    | MembersUnwired
    | ExternalPeerWired
    | ExternalPeerUnwired
    | FlowStarted
    | FlowCompleted
    | FlowFailed
    | FlowCanceled
    | StepDispatched
    | StepTargetCompleted
    | StepTargetFailed
    | StepCompleted
    | StepFailed
    | StepSkipped
    | TopologyViolation
    | SupervisorEscalation
    | OperatorActionRecorded,
    Field(discriminator="type"),
]
"""What happened; told apart by `type`."""

MOB_EVENT_KIND: TypeAdapter[MobEventKind] = TypeAdapter(MobEventKind, config=HIDE_INPUT)
"""Reads a kind from JSON."""


class NewMobEvent(Model):
    """An event to be stored. Without a `timestamp` it gets the time of the server (contract: events-4)."""

    model_config = HIDE_INPUT

    mob_id: str
    timestamp: Timestamp | None = None
    kind: MobEventKind


class MobEvent(Model):
    """A stored event. Cursors grow with every event of the log, over all mobs; timestamps need not."""

    model_config = HIDE_INPUT

    cursor: U64
    timestamp: Timestamp
    mob_id: str
    kind: MobEventKind


def terminal_identity(kind: MobEventKind) -> tuple[str, str] | None:
    """Run and flow that this kind of event ends; None if it ends none (contract: events-7)."""
    match kind:
        case FlowCompleted() | FlowFailed() | FlowCanceled():
            return kind.run_id, kind.flow_id
        case _:
            return None
