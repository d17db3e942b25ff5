"""What comes from other stores with cursors, revisions and times of its own, checked and as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis_mob.codec.arguments import instance, integer, listed, moment
from redis_mob.codec.definitions import spec_of
from redis_mob.codec.documents import encode_document, encode_name
from redis_mob.codec.ledgers import microseconds
from redis_mob.codec.realm_profiles import profile_named
from redis_mob.codec.unknown_fields import with_unknown_fields
from redis_mob.errors import CasConflictError, ValidationError, shown
from redis_mob.models.base import MOST_COUNTED
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent, NewMobEvent
from redis_mob.models.overlay import ExternalBindingOverlayRecord
from redis_mob.models.profile import Profile, StoredRealmProfile


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
        # the fields are checked where they are encoded
        new = NewMobEvent.unchecked(
            mob_id=fields.get("mob_id"),
            timestamp=moment("timestamp", fields.get("timestamp")),
            kind=fields.get("kind"),
            envelope=fields.get("envelope"),
        )
        found.append(with_unknown_fields(new, dict(event.model_extra or {})))  # which may have any name
    return cursors, found


class BroughtSpec(NamedTuple):
    """A spec as bytes, with the revision that it brings."""

    name: bytes
    revision: int
    document: bytes


class BroughtProfile(NamedTuple):
    """A realm profile as bytes, with its revision, and the times in microseconds since 1970 that it brings."""

    name: bytes
    revision: int
    created: int
    updated: int
    document: bytes


def brought_spec(mob_id: str, definition: MobDefinition, revision: int) -> BroughtSpec:
    """Raises as `TransferStore.insert_spec`."""
    name, number = encode_name("mob id", mob_id), _number("revision", revision, 1)
    return BroughtSpec(name, number, encode_document(spec_of(mob_id), "definition", definition, MobDefinition))


def brought_profile(profile: StoredRealmProfile) -> BroughtProfile:
    """Raises as `TransferStore.insert_profile`, also for a profile that was made without a check of its fields."""
    fields = vars(instance("profile", profile, StoredRealmProfile))
    named: Any = fields.get("name")
    name = encode_name("name of a realm profile", named)
    number = _number("revision", fields.get("revision"), 1)
    content: Any = fields.get("profile")
    document = encode_document(profile_named(named), "profile", content, Profile)
    created, updated = (microseconds(moment(time, fields.get(time))) for time in ("created_at", "updated_at"))
    if min(created, updated) < 0:
        raise ValidationError(f"realm profile {shown(named)}: its times lie before 1970")
    return BroughtProfile(name, number, created, updated, document)


def in_order(
    overlays: Iterable[tuple[str, ExternalBindingOverlayRecord]],
) -> list[tuple[str, ExternalBindingOverlayRecord]]:
    """Overlays by mob, agent and generation, names in the order of their bytes."""
    return sorted(overlays, key=lambda one: (one[0].encode(), one[1].agent_identity.encode(), one[1].generation))


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
