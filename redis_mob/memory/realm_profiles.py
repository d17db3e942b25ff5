"""Realm profiles in memory."""

from __future__ import annotations

from datetime import datetime

from redis_mob.codec.arguments import integer
from redis_mob.codec.documents import encode_document, encode_name
from redis_mob.codec.realm_profiles import profile_named
from redis_mob.contracts import RealmProfileStore, StoredRealmProfiles
from redis_mob.errors import CasConflictError, NotFoundError, shown
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.models import Profile, StoredRealmProfile

_PROFILE = "name of a realm profile"


class MemoryRealmProfileStore(RealmProfileStore):
    """The contract's `RealmProfileStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def create(self, name: str, profile: Profile) -> StoredRealmProfile:
        field = encode_name(_PROFILE, name)
        document = encode_document(profile_named(name), "profile", profile, Profile)
        content = self._access.content
        if revision := content.profiles.revision(field):
            raise CasConflictError(f"{profile_named(name)} exists already, with revision {revision}; update it instead")
        return _put(content, field, document, created_at=None)

    async def get(self, name: str) -> StoredRealmProfile | None:
        field, content = encode_name(_PROFILE, name), self._access.content
        return _stored(content, field) if field in content.profiles.documents else None

    async def list(self) -> StoredRealmProfiles:
        content = self._access.content
        return [_stored(content, field) for field in sorted(content.profiles.documents)]

    async def update(self, name: str, profile: Profile, expected_revision: int) -> StoredRealmProfile:
        field = encode_name(_PROFILE, name)
        document = encode_document(profile_named(name), "profile", profile, Profile)
        current = self._existing(name, expected_revision)
        return _put(self._access.content, field, document, created_at=current.created_at)

    async def delete(self, name: str, expected_revision: int) -> StoredRealmProfile:
        current = self._existing(name, expected_revision)
        del self._access.content.profiles.documents[encode_name(_PROFILE, name)]
        return current

    def _existing(self, name: str, expected_revision: int) -> StoredRealmProfile:
        field, expected = encode_name(_PROFILE, name), integer("expected_revision", expected_revision)
        content = self._access.content
        if field not in content.profiles.documents:
            raise NotFoundError(f"{profile_named(name)} does not exist")
        stored = _stored(content, field)
        if stored.revision != expected:
            raise CasConflictError(f"{profile_named(name)} has revision {stored.revision}, not {shown(expected)}")
        return stored


def _put(content: Namespace, field: bytes, document: bytes, created_at: datetime | None) -> StoredRealmProfile:
    """Store a profile that is updated now, and created now unless it was there before."""
    now = content.clock.now()
    content.profiles.put(field, document)
    content.profile_times[field] = (created_at or now, now)
    return _stored(content, field)


def _stored(content: Namespace, field: bytes) -> StoredRealmProfile:
    created_at, updated_at = content.profile_times[field]
    return StoredRealmProfile(
        name=field.decode(),
        profile=Profile.model_validate_json(content.profiles.documents[field]),
        revision=content.profiles.revision(field),
        created_at=created_at,
        updated_at=updated_at,
    )
