"""What comes from another store: an event with its cursor, a realm profile with its revision and times."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.models import MobEvent, StoredRealmProfile
from redis_mob.testing.samples.documents import profile
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON


def event_with(cursor: int) -> MobEvent:
    """An event that has this cursor."""
    event = numbered(cursor, timestamp=NOON)
    return MobEvent(cursor=cursor, timestamp=NOON, mob_id=event.mob_id, kind=event.kind)


def stored_profile(name: str, revision: int = 7) -> StoredRealmProfile:
    """A realm profile that has this revision."""
    return StoredRealmProfile(
        name=name, profile=profile(), revision=revision, created_at=NOON, updated_at=NOON + timedelta(hours=1)
    )
