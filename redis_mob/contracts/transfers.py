"""What the store promises by which a namespace takes in data of other stores, and gives all of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from redis_mob.models.definition import MobDefinition
    from redis_mob.models.events import MobEvent
    from redis_mob.models.overlay import ExternalBindingOverlayRecord
    from redis_mob.models.profile import StoredRealmProfile
    from redis_mob.models.supervisor import SupervisorAuthorityRecord

    Supervisors: TypeAlias = dict[str, SupervisorAuthorityRecord]
    Overlays: TypeAlias = list[tuple[str, ExternalBindingOverlayRecord]]


@runtime_checkable
class TransferStore(Protocol):
    """Events, specs and profiles that keep the cursors, revisions and times they have elsewhere (contract: meerkat-1).

    Every method is atomic. All methods raise ValidationError for an argument of another type (contract: store-23);
    InternalError for what cannot be stored, before any write; SerializationError for what is damaged in the storage;
    OutcomeUnknownError when the connection was lost after a write was sent; WriteFailedError or ReadFailedError when
    the storage cannot be reached.
    """

    async def append_events(self, events: Sequence[MobEvent], *, after: int, newest: int) -> bool:
        """Append events with their own cursors to a log whose greatest cursor ever given is `after`.

        `newest` is the greatest one then, so that the next event gets the one behind it. True if all were appended;
        False, touching nothing, if another cursor was given last. Subscribers are woken (contract: meerkat-2).
        Raises ValidationError unless the cursors ascend from behind `after` to at most `newest`, which has at most 15
        digits.
        """
        ...

    async def insert_spec(self, mob_id: str, definition: MobDefinition, revision: int) -> bool:
        """Store the spec of a mob with this revision. True if it was stored; False if the very same is there.

        Raises CasConflictError if the mob has another spec, or has had this revision (contract: meerkat-3).
        """
        ...

    async def insert_profile(self, profile: StoredRealmProfile) -> bool:
        """Store a realm profile with its revision and times. True if it was stored; False if the very same is there.

        Raises CasConflictError if there is another one of its name, or it has had this revision (contract: meerkat-3).
        """
        ...

    async def newest_cursor(self) -> int:
        """The greatest cursor that the log has ever given, 0 if it gave none."""
        ...

    async def supervisors(self) -> Supervisors:
        """The authority of the supervisor of each mob, in the byte order of the mobs (contract: meerkat-4)."""
        ...

    async def overlays(self) -> Overlays:
        """The mob and the record of every overlay, by mob, agent and generation (contract: meerkat-4)."""
        ...
