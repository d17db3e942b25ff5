"""Events of kinds that have no class here: they are kept as they came (contract: json-11)."""

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from redis_mob.models.base import is_canonical_uuid
from redis_mob.models.secret import FIRST_READ, THEN_READ, SecretModel

KNOWN_KINDS: set[str] = set()
"""The types of all kinds that have a class; models/events.py fills it in."""

LATER_KINDS = (
    "fork_job_terminal",
    "member_session_binding_recovered",
    "placed_completion_cancellation_requested",
    "placed_completion_lifecycle_quiesce_ended",
    "placed_completion_lifecycle_quiesce_started",
    "placed_completion_obligation_recorded",
    "placed_completion_outcome_acknowledged",
    "placed_completion_outcome_closed",
    "placed_completion_outcome_disposed",
    "placed_completion_outcome_resolved",
    "placed_kickoff_obligation_recorded",
    "placed_kickoff_outcome_acknowledged",
    "placed_kickoff_outcome_disposed",
    "placed_kickoff_outcome_resolved",
    "placed_kickoff_rejected_no_effect",
    "remote_host_bind_aborted_no_effect",
    "remote_host_bind_completed",
    "remote_host_bind_confirmed",
    "remote_host_bind_started",
    "remote_host_revoke_completed",
    "remote_host_revoke_confirmed",
    "remote_host_revoke_started",
    "remote_member_release_confirmed",
    "remote_turn_obligation_recorded",
    "remote_turn_outcome_acknowledged",
    "remote_turn_outcome_disposed",
    "remote_turn_outcome_resolved",
)
"""Kinds of meerkat 0.7 to 0.9 that have no class here, since only its own runtime can act on them."""


def _not_known(kind: str) -> str:
    if kind in KNOWN_KINDS:
        raise ValueError(f"events of the type {kind} have a class of their own")
    return kind


class UnknownEvent(SecretModel):
    """Something happened of a kind that has no class here: its type, and all else that it says, as it came.

    No repr shows what it says, which may be secret.
    """

    type: Annotated[str, AfterValidator(_not_known)]

    def __init__(self, /, **data: Any) -> None:
        # what it says are unknown fields, which the constructors of other models refuse
        BaseModel.__init__(self, **data)

    __init__.__pydantic_base_init__ = True  # pyright: ignore[reportFunctionMemberAccess]

    @property
    def content(self) -> dict[str, Any]:
        """All that it says beside its type."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def run_id(self) -> str | None:
        """The run that it names as those of flows do: a UUID in its canonical spelling."""
        return run_id if is_canonical_uuid(run_id := self.content.get("run_id")) else None

    @property
    def flow_id(self) -> str | None:
        """The flow that it names, if that is a text."""
        return flow_id if isinstance(flow_id := self.content.get("flow_id"), str) else None


class KnownOrUnknown:
    """Marks a union of kinds that are told apart by `type`, and UnknownEvent as its last member.

    Pydantic would try all members of the union where the type is not known, and tell what is wrong with each.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        *kinds, unknown = get_args(source)
        known: dict[Any, CoreSchema] = {kind.model_fields["type"].default: handler(kind) for kind in kinds}
        return core_schema.union_schema(
            [(core_schema.tagged_union_schema(known, "type"), FIRST_READ), (handler(unknown), THEN_READ)],
            mode="left_to_right",
            serialization=core_schema.simple_ser_schema("any"),  # each kind by its own, without a search for it
        )
