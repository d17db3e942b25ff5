"""Realm profiles on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.arguments import integer
from redis_mob.codec.documents import decode_name, decode_revision, encode_document, encode_name, encode_revision
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.realm_profiles import decode_profile, profile_named
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import RealmProfileStore, StoredRealmProfiles
from redis_mob.errors import CasConflictError, NotFoundError, shown
from redis_mob.models import Profile, StoredRealmProfile
from redis_mob.stores.readable import readable

_PROFILE = "name of a realm profile"


@readable
class RedisRealmProfileStore(RealmProfileStore):
    """The contract's `RealmProfileStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def create(self, name: str, profile: Profile) -> StoredRealmProfile:
        reply = await self._client.call(
            "realm_profiles/create",
            [self._keys.meta, self._keys.profiles, self._keys.profile_revisions],
            [encode_name(_PROFILE, name), encode_document(profile_named(name), "profile", profile, Profile)],
        )
        return _written(name, reply, "exists already, with revision {revision}; update it instead")

    async def get(self, name: str) -> StoredRealmProfile | None:
        stored = await self._client.read(
            "realm_profiles/get", [self._keys.meta, self._keys.profiles], [encode_name(_PROFILE, name)]
        )
        return None if stored is None else decode_profile(name, stored)

    async def list(self) -> StoredRealmProfiles:
        fields = as_mapping(await self._client.read("realm_profiles/list", [self._keys.meta, self._keys.profiles], []))
        return [decode_profile(decode_name(_PROFILE, field), stored) for field, stored in sorted(fields.items())]

    async def update(self, name: str, profile: Profile, expected_revision: int) -> StoredRealmProfile:
        reply = await self._client.call(
            "realm_profiles/update",
            [self._keys.meta, self._keys.profiles, self._keys.profile_revisions],
            [
                encode_name(_PROFILE, name),
                encode_document(profile_named(name), "profile", profile, Profile),
                _expected(expected_revision),
            ],
        )
        return _written(name, reply, f"has revision {{revision}}, not {shown(expected_revision)}")

    async def delete(self, name: str, expected_revision: int) -> StoredRealmProfile:
        reply = await self._client.call(
            "realm_profiles/delete",
            [self._keys.meta, self._keys.profiles, self._keys.profile_revisions],
            [encode_name(_PROFILE, name), _expected(expected_revision)],
        )
        return _written(name, reply, f"has revision {{revision}}, not {shown(expected_revision)}")


def _expected(revision: int) -> bytes:
    """The revision that a profile must have. It has to be given: None would mean any."""
    return encode_revision("expected_revision", integer("expected_revision", revision))


def _written(name: str, reply: Any, conflict: str) -> StoredRealmProfile:
    """The profile that a script wrote or deleted, or the error that its code stands for."""
    match reply:
        case [Reply.WON, record]:
            return decode_profile(name, record)
        case [Reply.CONFLICT, revision]:
            current = decode_revision(profile_named(name), revision)
            raise CasConflictError(f"{profile_named(name)} {conflict.format(revision=current)}")
        case _:
            raise NotFoundError(f"{profile_named(name)} does not exist")
