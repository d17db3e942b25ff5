"""What is known of a member's external binding beside its definition (contract: json-22)."""

from typing import Literal, TypeAlias

from pydantic import ConfigDict, Field

from redis_mob.models.base import U64, JsonValue, Model, Timestamp, is_none
from redis_mob.models.member_ref import MemberRef
from redis_mob.models.secret import SecretRecord


class OverlayFailure(Model):
    """Why a binding could not be normalized."""

    reason: str


class OverlayFailed(Model):
    """The status of a binding that could not be normalized."""

    model_config = ConfigDict(extra="forbid")

    failed: OverlayFailure = Field(alias="Failed")


OverlayStatus: TypeAlias = Literal["Normalized", "DirectBindPending", "DirectBindBound"] | OverlayFailed
"""Whether the reference in an overlay can be used, or how far a direct binding is, which meerkat has since 0.8."""


class ExternalBindingOverlayRecord(SecretRecord):
    """The external binding of one generation of an agent.

    `bootstrap_token` is secret: no repr and no error shows it, but the JSON does. The last three fields are there since
    meerkat 0.8, for a direct binding: which one it is, and what fences it.
    """

    agent_identity: str
    generation: U64
    normalized_member_ref: MemberRef | None = None
    bootstrap_token: str | None = Field(default=None, repr=False)
    status: OverlayStatus
    updated_at: Timestamp
    fence_token: U64 | None = Field(default=None, exclude_if=is_none)
    direct_member_incarnation: JsonValue | None = Field(default=None, exclude_if=is_none, repr=False)
    direct_member_fence: JsonValue | None = Field(default=None, exclude_if=is_none, repr=False)
