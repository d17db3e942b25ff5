"""What happened to the members of a mob: spawned, retired, wired (contract: json-11)."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from redis_mob.models.base import U32, U64, Items, Model, SortedDict, Uuid, WireEnum, is_none
from redis_mob.models.ids import AgentRuntimeId, KeyBytes
from redis_mob.models.member_ref import MemberRef
from redis_mob.models.profile import MobRuntimeMode
from redis_mob.models.secret import SecretModel


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


class MemberSpawned(SecretModel):
    """A member was started.

    `bridge_member_ref` is for stores: they keep it, and `model_dump_json` leaves it out.
    """

    type: Literal["member_spawned"] = "member_spawned"
    agent_identity: str
    generation: U64
    fence_token: U64
    agent_runtime_id: AgentRuntimeId
    role: str
    runtime_mode: MobRuntimeMode = MobRuntimeMode.AUTONOMOUS_HOST
    labels: SortedDict[str] = Field(default=SortedDict(), exclude_if=_is_empty)
    continuity_intent: ContinuityIntent = Field(default=Ephemeral.unchecked(), exclude_if=_is_ephemeral)
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
