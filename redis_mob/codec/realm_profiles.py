"""Realm profiles as bytes: revision and times in front, then the profile in JSON."""

from __future__ import annotations

from pydantic import ValidationError

from redis_mob.codec.documents import decode_revision, decode_time
from redis_mob.errors import SerializationError, shown
from redis_mob.models.problems import problems
from redis_mob.models.profile import Profile, StoredRealmProfile


def decode_profile(name: str, stored: bytes) -> StoredRealmProfile:
    """A profile with its revision and times. Raises SerializationError naming the profile and the field."""
    what = profile_named(name)
    revision, created_at, updated_at, profile = (*stored.split(b" ", 3), b"", b"", b"")[:4]
    number = decode_revision(what, revision)
    created, updated = decode_time(what, "created_at", created_at), decode_time(what, "updated_at", updated_at)
    try:
        content = Profile.model_validate_json(profile)
    except ValidationError as error:
        raise SerializationError(f"{what}: profile: {problems(error)}") from error
    return StoredRealmProfile(name=name, profile=content, revision=number, created_at=created, updated_at=updated)


def profile_named(name: str) -> str:
    """How messages name a realm profile."""
    return f"realm profile {shown(name)}"
