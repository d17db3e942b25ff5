"""Policies of retention as fields of a hash, and what of a run says how long it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pydantic

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import instance, integer, moment, optional_cursor, optional_text, storable_json, text
from redis_mob.codec.documents import decode_time
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.codec.run_heads import COUNTED, COUNTED_PARTS, RunHead, check_count, count_field, place_prefix
from redis_mob.codec.run_summaries import RunPlace
from redis_mob.errors import SerializationError, ValidationError, shown
from redis_mob.models.base import U64_MAX
from redis_mob.models.retention import RetentionPolicies, RetentionPolicy, RunAge
from redis_mob.models.run_status import MobRunStatus

_COUNTS = tuple(map(count_field, ("run", *(part for part in COUNTED_PARTS if part != "run"))))
FIELDS = (b"status", b"head", b"completed_at", COUNTED, *_COUNTS)
"""The fields of a run hash of which an age is made, and those that tell whether any is lost."""

_LAST_SEQUENCE = 10**16 - 1

_GENERAL, _OF_MOB, _OF_FLOW = b"general", b"mob ", b"flow "


def policy_field(mob_id: object, flow_id: object = None) -> bytes:
    """The field of the policy of a flow of a mob, of a mob, or of that of all others. Raises ValidationError."""
    if flow_id is not None:
        if mob_id is None:
            raise ValidationError(f"the policy of flow {shown(flow_id)} needs the mob of the flow")
        return _OF_FLOW + pack((text("mob_id", mob_id), text("flow_id", flow_id)))
    return _GENERAL if mob_id is None else _OF_MOB + text("mob_id", mob_id).encode()


def runs_prefix(mob_id: object, flow_id: object) -> bytes:
    """What the places of the runs of a flow, of a mob, or of all begin with. Raises ValidationError."""
    mob, flow = optional_text("mob_id", mob_id), optional_text("flow_id", flow_id)
    if mob is None:
        if flow is not None:
            raise ValidationError(f"the runs of flow {shown(flow)} need the mob of the flow")
        return b""
    return place_prefix(mob, flow)


def checked_bounds(older_than: object, newest: object) -> tuple[datetime | None, int | None]:
    """Which events go by their age and by their number. Raises ValidationError."""
    return (
        None if older_than is None else moment("older_than", older_than),
        None if newest is None else min(integer("newest", newest, least=0), U64_MAX),
    )


def checked_policy(policy: object, mob_id: object) -> RetentionPolicy:
    """A policy that the mob may have. Raises ValidationError for one of a mob that bounds events."""
    checked = instance("policy", policy, RetentionPolicy)
    if mob_id is not None and checked.bounds_events:
        raise ValidationError(
            f"the policy of mob {shown(mob_id)} bounds events, whose log is that of all mobs: bound them in the "
            "policy without a mob"
        )
    return checked


def encode_policy(policy: RetentionPolicy) -> bytes:
    """Its JSON."""
    return storable_json(
        "the policy", lambda: policy.model_dump_json().encode(), lambda written: _read(written.decode())
    )


def decode_policies(now: int, stored: Mapping[bytes, bytes]) -> RetentionPolicies:
    """All policies of a namespace. Raises SerializationError naming the mob of one that cannot be read."""
    general: RetentionPolicy | None = None
    of_mobs: dict[str, RetentionPolicy] = {}
    of_flows: dict[tuple[str, str], RetentionPolicy] = {}
    for field, value in sorted(stored.items()):
        try:
            if field == _GENERAL:
                general = _read(value.decode())
            elif field.startswith(_OF_MOB):
                of_mobs[field.removeprefix(_OF_MOB).decode()] = _read(value.decode())
            elif field.startswith(_OF_FLOW):
                mob_id, flow_id = unpack(field.removeprefix(_OF_FLOW))
                of_flows[mob_id, flow_id] = _read(value.decode())
        except (*UNPACK_ERRORS, ValueError) as error:
            name = shown(field.decode(errors="replace"))
            raise SerializationError(f"the retention policy {name} cannot be read: {error}") from error
    return RetentionPolicies(ledgers.moment(now), general, of_mobs, of_flows)


def _read(written: str) -> RetentionPolicy:
    return RetentionPolicy.model_validate_json(written)


def checked_sequence(after: object) -> int | None:
    """A sequence of creation, or None. Raises ValidationError."""
    sequence = optional_cursor("after", after)
    return None if sequence is None else min(max(sequence, 0), _LAST_SEQUENCE)


def decode_age(place: RunPlace, row: Sequence[bytes | None], number: int) -> RunAge | None:
    """The age of a run, whose hash has `number` fields; None if the run is gone. Raises SerializationError."""
    fields = {name: value for name, value in zip(FIELDS, row, strict=True) if value is not None}
    if not number:
        return None
    check_count(place.run_id, fields, "run", number - sum(name in fields for name in _COUNTS))
    status, head, completed_at = (fields.get(name) for name in FIELDS[:3])
    try:
        known = RunHead(*unpack(head or b""))
        return RunAge(
            place.run_id,
            place.sequence,
            known.mob_id,
            known.flow_id,
            MobRunStatus((status or b"").decode()),
            ledgers.moment(known.created_at),
            None if completed_at is None else decode_time(f"run {place.run_id}", "completed_at", completed_at),
        )
    except (*UNPACK_ERRORS, pydantic.ValidationError, OverflowError) as error:
        raise SerializationError(f"run {place.run_id} cannot be read: {error}") from error
