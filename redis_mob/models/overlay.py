"""What is known of a member's external binding beside its definition (contract: json-22)."""

from typing import Literal, TypeAlias

from pydantic import ConfigDict, Field

from redis_mob.models.base import U64, Model, Timestamp
from redis_mob.models.member_ref import MemberRef
from redis_mob.models.secret import SecretRecord


class OverlayFailure(Model):
    """Why a binding could not be normalized."""

    reason: str


class OverlayFailed(Model):
    """The status of a binding that could not be normalized."""

    model_config = ConfigDict(extra="forbid")

    failed: OverlayFailure = Field(alias="Failed")


OverlayStatus: TypeAlias = Literal["Normalized"] | OverlayFailed
"""Whether the reference in an overlay can be used."""


class ExternalBindingOverlayRecord(SecretRecord):
    """The external binding of one generation of an agent.

    `bootstrap_token` is secret: no repr and no error shows it, but the JSON does.
    """

    agent_identity: str
    generation: U64
    normalized_member_ref: MemberRef | None = None
    bootstrap_token: str | None = Field(default=None, repr=False)
    status: OverlayStatus
    updated_at: Timestamp
