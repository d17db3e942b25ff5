"""What happened in a mob: events, and the kinds of them (contract: json-10, json-11)."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field

from redis_mob.models.base import SCHEMA_VERSION, U32, U64, Model, Timestamp, Uuid, is_none
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_events import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepCompleted,
    StepDispatched,
    StepFailed,
    StepSkipped,
    StepTargetCompleted,
    StepTargetFailed,
    SupervisorEscalation,
    SupervisorEscalationFailed,
    TopologyViolation,
)
from redis_mob.models.later_events import (
    MemberRetirementStarted,
    MobDefinitionUpdated,
    MobOwnerBridgeSessionBound,
    MobStopped,
    ObjectiveConcluded,
    ObjectiveOwnerBound,
    OrchestratorResumeNotificationFailed,
    RemoteMemberRuntimeRetired,
    RemoteMemberSupervisorRevoked,
    RespawnTopologyAbandoned,
    TaskCreated,
    TaskUpdated,
)
from redis_mob.models.member_events import (
    ExternalPeerUnwired,
    ExternalPeerWired,
    MemberKickoffUpdated,
    MemberReset,
    MemberRetired,
    MemberSpawned,
    MembersUnwired,
    MembersWired,
    MembersWiredBatch,
)
from redis_mob.models.secret import SecretAdapter, SecretModel, SecretRecord
from redis_mob.models.unknown_event import KNOWN_KINDS, KnownOrUnknown, UnknownEvent


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


class CallerProvenance(Model):
    """From where an operator acted."""

    caller_session_id: Uuid | None = Field(default=None, exclude_if=is_none)
    caller_mob_id: str | None = Field(default=None, exclude_if=is_none)
    caller_member_id: str | None = Field(default=None, exclude_if=is_none)


class OperatorActionRecorded(SecretModel):
    """An operator used a tool on the mob; `principal_token` stands for the person."""

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
    | OperatorActionRecorded
    | SupervisorEscalationFailed
    | TaskCreated
    | TaskUpdated
    | MobDefinitionUpdated
    | MobStopped
    | MobOwnerBridgeSessionBound
    | MemberRetirementStarted
    | RemoteMemberRuntimeRetired
    | RemoteMemberSupervisorRevoked
    | ObjectiveOwnerBound
    | ObjectiveConcluded
    | RespawnTopologyAbandoned
    | OrchestratorResumeNotificationFailed
    | UnknownEvent,
    KnownOrUnknown(),
]
"""What happened; told apart by `type`."""


KIND_CLASSES: tuple[type[Model], ...] = get_args(get_args(MobEventKind)[0])
"""The classes of all kinds, UnknownEvent the last."""

EVENT_KINDS: tuple[str, ...] = tuple(sorted(kind.model_fields["type"].default for kind in KIND_CLASSES[:-1]))
"""The types of all kinds that have a class of their own."""

KNOWN_KINDS.update(EVENT_KINDS)


MOB_EVENT_KIND: SecretAdapter[MobEventKind] = SecretAdapter(MobEventKind)
"""Reads a kind from JSON."""


STRUCTURAL_KINDS = (
    "mob_created",
    "mob_definition_updated",
    "mob_reset",
    "member_spawned",
    "member_retirement_started",
    "remote_member_runtime_retired",
    "remote_member_supervisor_revoked",
    "member_retired",
    "member_reset",
    "member_session_binding_recovered",
    "members_wired",
    "members_wired_batch",
    "members_unwired",
)
"""Kinds of events from which the structure of a mob is rebuilt; one has no class here (contract: events-14)."""


class EventEnvelope(SecretModel):
    """What stands around an event that another release than meerkat 0.6 has stored (contract: json-10)."""

    schema_version: U32 = SCHEMA_VERSION


class NewMobEvent(SecretRecord):
    """An event to be stored. Without a `timestamp` it gets the time of the server (contract: events-4)."""

    mob_id: str
    timestamp: Timestamp | None = None
    kind: MobEventKind
    envelope: EventEnvelope | None = Field(default=None, exclude_if=is_none)


class MobEvent(SecretRecord):
    """A stored event. Cursors grow with every event of the log, over all mobs; timestamps need not.

    `envelope` is None for an event in the form of meerkat 0.6.
    """

    cursor: U64
    timestamp: Timestamp
    mob_id: str
    kind: MobEventKind
    envelope: EventEnvelope | None = Field(default=None, exclude_if=is_none)

    @property
    def run_id(self) -> str | None:
        """The run that it is about; None if it is about the mob or its members."""
        return run_of_kind(self.kind)


def run_of_kind(kind: MobEventKind) -> str | None:
    """The run that something happened in; None if it is about the mob or its members."""
    # not by getattr: what a class does not know may have any name
    return kind.run_id if type(kind) is UnknownEvent else vars(kind).get("run_id")


def flow_of_kind(kind: MobEventKind) -> str | None:
    """The flow that something happened in, if it says so."""
    return kind.flow_id if type(kind) is UnknownEvent else vars(kind).get("flow_id")


def terminal_identity(kind: MobEventKind) -> tuple[str, str] | None:
    """Run and flow that this kind of event ends; None if it ends none (contract: events-7)."""
    match kind:
        case FlowCompleted() | FlowFailed() | FlowCanceled():
            return kind.run_id, kind.flow_id
        case _:
            return None
