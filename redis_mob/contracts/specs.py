"""What the store of specs promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from redis_mob.models import MobDefinition, MobEvent, NewMobEvent


@runtime_checkable
class MobSpecStore(Protocol):
    """The definition of each mob, with a revision that grows with every write (contract: specs-1).

    Revisions start at 1 and survive deletion: the next put continues the count, so that a holder of an old revision
    cannot overwrite a new incarnation (contract: specs-3). The mob id is the key; that of the definition is not
    compared with it. All methods raise ValidationError for an argument of another type (contract: store-23),
    InternalError for an id that cannot be stored as UTF-8, OutcomeUnknownError when the connection was lost after a
    write was sent, WriteFailedError or ReadFailedError when the storage cannot be reached.
    """

    async def put_spec(self, mob_id: str, definition: MobDefinition, revision: int | None = None) -> int:
        """Store a definition, and return its new revision.

        Without `revision` it overwrites any stored definition. With one it raises SpecRevisionConflictError, touching
        nothing, if the current revision is another; absence counts as 0, so that 0 only creates. Raises InternalError
        for a definition that JSON cannot hold, before any write.
        """
        ...

    async def put_spec_and_append_event(
        self, mob_id: str, definition: MobDefinition, event: NewMobEvent, revision: int | None = None
    ) -> tuple[int, MobEvent]:
        """Store a definition and append the event that tells of it, both or none; the new revision, and the event.

        Takes and raises what put_spec and `MobEventStore.append` do; ValidationError for an event of another mob
        (contract: specs-7).
        """
        ...

    async def get_spec(self, mob_id: str) -> tuple[MobDefinition, int] | None:
        """The definition of a mob and its revision; None if there is none.

        The steps of a flow and the nodes of a frame keep their order. Raises SerializationError naming the mob and
        the field that is damaged; other specs stay readable.
        """
        ...

    async def list_specs(self) -> list[str]:
        """The ids of all mobs that have a definition, in the byte order of their UTF-8."""
        ...

    async def delete_spec(self, mob_id: str, revision: int | None = None) -> bool:
        """Delete a definition; False if there is none, or if its revision is not the given one (contract: specs-4)."""
        ...
