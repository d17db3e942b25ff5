"""What comes from other stores with cursors, revisions and times of its own, checked and as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis_mob.codec.arguments import instance, integer, listed, moment
from redis_mob.codec.ledgers import microseconds
from redis_mob.errors import CasConflictError, ValidationError, shown
from redis_mob.models.base import MOST_COUNTED
from redis_mob.models.events import MobEvent, NewMobEvent
from redis_mob.models.profile import StoredRealmProfile


def checked_events(events: Sequence[MobEvent], after: int, newest: int) -> tuple[list[int], list[NewMobEvent]]:
    """The cursors, and the events without them. Raises as `TransferStore.append_events`."""
    last, most = _number("after", after, 0), _number("newest", newest, after)
    cursors: list[int] = []
    found: list[NewMobEvent] = []
    for event in listed("events", events):
        fields = vars(instance("event", event, MobEvent))
        cursor = integer("cursor", fields.get("cursor"))
        if not last < cursor <= most:
            raise ValidationError(
                f"the cursors of events must ascend from behind {last} to {most}, not {shown(cursor)}"
            )
        last = cursor
        cursors.append(cursor)
        more: dict[str, Any] = event.model_extra or {}
        # the fields are checked where they are encoded
        found.append(
            NewMobEvent.model_construct(
                mob_id=fields.get("mob_id"),
                timestamp=moment("timestamp", fields.get("timestamp")),
                kind=fields.get("kind"),
                envelope=fields.get("envelope"),
                **more,
            )
        )
    return cursors, found


def checked_revision(revision: int) -> int:
    """Raises ValidationError for a revision that no document can have."""
    return _number("revision", revision, 1)


def profile_times(profile: StoredRealmProfile) -> tuple[int, int]:
    """When a profile was created and updated, in microseconds since 1970. Raises ValidationError for a time before."""
    times = [microseconds(moment(name, vars(profile).get(name))) for name in ("created_at", "updated_at")]
    if min(times) < 0:
        raise ValidationError(f"realm profile {shown(vars(profile).get('name'))}: its times lie before 1970")
    return times[0], times[1]


def another(what: str, *, is_there: bool) -> CasConflictError:
    """What is raised where another document is, or was."""
    if is_there:
        return CasConflictError(f"{what}: another one is there")
    return CasConflictError(f"{what}: its name has had this revision, or a greater one")


def _number(name: str, value: object, least: int) -> int:
    number = integer(name, value, least)
    if number > MOST_COUNTED:
        raise ValidationError(f"{name} must be at most {MOST_COUNTED}, not {shown(number)}")
    return number
