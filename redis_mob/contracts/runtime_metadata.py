"""What the store of runtime metadata promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from redis_mob.models import ExternalBindingOverlayRecord, SupervisorAuthorityRecord


@runtime_checkable
class MobRuntimeMetadataStore(Protocol):
    """The authority of each mob's supervisor, and the external bindings of its members (contract: metadata-4).

    Authority and overlays are independent: deleting one leaves the other. Secrets (the keys of an authority, the
    bootstrap token of an overlay) are stored sealed when there is a key, and no error shows them. All methods raise
    ValidationError for an argument of another type (contract: store-23); InternalError for an id or record that cannot
    be stored, before any write; SerializationError naming the mob, the
    record and the field that is damaged, which leaves all other records readable; OutcomeUnknownError when the
    connection was lost after a write was sent; WriteFailedError or ReadFailedError when the storage cannot be reached.
    """

    async def load_supervisor_authority(self, mob_id: str) -> SupervisorAuthorityRecord | None:
        """The authority of a mob with its pending rotation; None if there is none."""
        ...

    async def put_supervisor_authority(self, mob_id: str, record: SupervisorAuthorityRecord) -> None:
        """Store the authority of a mob, over any other; epochs are not compared.

        Raises InternalError, before any write, for a record in which a peer id is not that of its key, the pending
        rotation included (contract: metadata-3); so do the other two ways to store one.
        """
        ...

    async def put_supervisor_authority_if_absent(self, mob_id: str, record: SupervisorAuthorityRecord) -> bool:
        """Store the authority of a mob unless it has one; False, touching nothing, if it has."""
        ...

    async def compare_and_put_supervisor_authority(
        self, mob_id: str, expected: SupervisorAuthorityRecord, record: SupervisorAuthorityRecord
    ) -> bool:
        """Replace the authority of a mob if it equals `expected`; False, touching nothing, if not or if it has none.

        Records are compared by value in every field, the pending rotation and the order of its accepted peers
        included, however they are encoded or sealed (contract: metadata-2).
        """
        ...

    async def compare_and_delete_supervisor_authority(self, mob_id: str, expected: SupervisorAuthorityRecord) -> bool:
        """Delete the authority of a mob if it equals `expected`; False, touching nothing, if not or if it has none.

        Records are compared as compare_and_put_supervisor_authority does (contract: metadata-2, metadata-15).
        """
        ...

    async def delete_supervisor_authority(self, mob_id: str) -> None:
        """Delete the authority of a mob; nothing happens if it has none."""
        ...

    async def list_external_binding_overlays(self, mob_id: str) -> list[ExternalBindingOverlayRecord]:
        """The overlays of a mob as they were at one moment, by identity (bytes of its UTF-8), then generation.

        The bootstrap token inside a member reference is never stored, that of the overlay is (contract: metadata-7).
        """
        ...

    async def put_external_binding_overlay_if_absent(self, mob_id: str, record: ExternalBindingOverlayRecord) -> bool:
        """Store an overlay unless its agent has one of this generation, also a different one; False if it has."""
        ...

    async def upsert_external_binding_overlay(self, mob_id: str, record: ExternalBindingOverlayRecord) -> None:
        """Store an overlay, over the one that its agent has of this generation, if any."""
        ...

    async def compare_and_put_external_binding_overlay(
        self, mob_id: str, expected: ExternalBindingOverlayRecord, record: ExternalBindingOverlayRecord
    ) -> bool:
        """Replace an overlay if it equals `expected`; True as well if it is `record` already (contract: metadata-16).

        False, touching nothing, if another one is there, or none. Records are compared by value in every field as they
        would be stored. Raises ValidationError if the two are not of the same agent and generation.
        """
        ...

    async def delete_external_binding_overlay(self, mob_id: str, agent_identity: str, generation: int) -> None:
        """Delete one overlay; nothing happens if it is not there."""
        ...

    async def delete_external_binding_overlays(self, mob_id: str) -> None:
        """Delete all overlays of a mob, and of no other."""
        ...

    async def reseal_all(self, *, adopt_unsealed: bool = False) -> int:
        """Seal every secret of the namespace with the newest seal key, and need the older keys of the ring no more.

        Call it once every process seals with the newest key. Returns how many records were replaced; each is replaced
        by itself, and only if it was not changed meanwhile, or else looked at again. Calling it again, also at the
        same time, is harmless. `adopt_unsealed` seals records in clear too, from the time before there was a key.
        Raises SerializationError or SealKeyMissingError, with no key retired, for a record that does not open (one in
        clear without `adopt_unsealed` included); InternalError for a storage that seals but was opened without a key. A
        storage that never seals, as the one in memory, has nothing to do and returns 0.
        """
        ...
