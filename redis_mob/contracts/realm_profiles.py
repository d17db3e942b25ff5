"""What the store of realm profiles promises."""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

from redis_mob.models import Profile, StoredRealmProfile

StoredRealmProfiles: TypeAlias = list[StoredRealmProfile]
"""Realm profiles in the order of their names."""


@runtime_checkable
class RealmProfileStore(Protocol):
    """Profiles that all mobs of a realm share, by name (contract: profiles-4).

    Revisions start at 1, grow with every write of a name, and survive deletion (contract: profiles-5). Times come from
    the server's clock (contract: store-7). The content of a profile is not validated. All methods raise ValidationError
    for an argument of another type (contract: store-23); InternalError for a name or profile that cannot be stored,
    before any write; SerializationError naming the profile and the field that is damaged; OutcomeUnknownError when the
    connection was lost after a write was sent; WriteFailedError or ReadFailedError when the storage cannot be reached.
    """

    async def create(self, name: str, profile: Profile) -> StoredRealmProfile:
        """Store a new profile, created and updated now. Raises CasConflictError if the name is taken."""
        ...

    async def get(self, name: str) -> StoredRealmProfile | None:
        """The profile of this name; None if there is none. Damage to other profiles does not matter."""
        ...

    async def list(self) -> StoredRealmProfiles:
        """All profiles as they were at one moment, in the byte order of their names in UTF-8."""
        ...

    async def update(self, name: str, profile: Profile, expected_revision: int) -> StoredRealmProfile:
        """Replace a profile, updated now; the time of its creation stays. Returns it with its new revision.

        Raises NotFoundError if there is none, CasConflictError naming the current revision if it is another one.
        """
        ...

    async def delete(self, name: str, expected_revision: int) -> StoredRealmProfile:
        """Delete a profile and return what was deleted. Raises like update."""
        ...
