"""Schedules of flows as bytes."""

from __future__ import annotations

import re

from pydantic import ValidationError

from redis_mob import errors
from redis_mob.codec.arguments import instance, optional_instance
from redis_mob.codec.definitions import encode_definition
from redis_mob.codec.documents import decode_decimal, encode_document
from redis_mob.codec.payloads import Payload, payload
from redis_mob.errors import SerializationError, shown
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import ScheduleRecord, StoredSchedule
from redis_mob.models.problems import problems

LISTENED_TO = b"schedules"
"""The message that a schedule was put."""

_DIGEST = re.compile("[0-9a-f]{32}")


def schedule_named(name: str) -> str:
    """How messages name a schedule."""
    return f"schedule {shown(name)}"


def encode_schedule(record: ScheduleRecord) -> Payload:
    """The JSON of a schedule. Raises as `encode_document`, and ValidationError for a definition that is no digest."""
    document = encode_document("the schedule", "record", record, ScheduleRecord)
    if _DIGEST.fullmatch(record.schedule.definition) is None:
        raise errors.ValidationError(
            f"{schedule_named(record.name)}: {shown(record.schedule.definition)} is no digest of a definition"
        )
    return payload(document, stays=True)  # it has the parameters of the runs that are to come


def encoded_definition(record: ScheduleRecord, definition: MobDefinition | None) -> bytes:
    """The definition that a schedule names, empty if it is not given. Raises ValidationError for another one."""
    if optional_instance("definition", definition, MobDefinition) is None:
        return b""
    digest, encoded = encode_definition(instance("definition", definition, MobDefinition))
    if digest != record.schedule.definition:
        raise errors.ValidationError(f"{schedule_named(record.name)} names another definition than the given one")
    return encoded


def decode_schedule(name: str, stored: bytes) -> StoredSchedule:
    """A schedule from revision, digest and document. Raises SerializationError naming it and the field."""
    what = schedule_named(name)
    revision, digest, document = (*stored.split(b" ", 2), b"", b"")[:3]
    number = decode_decimal(what, "revision", revision)
    try:
        record = ScheduleRecord.model_validate_json(document)
    except ValidationError as error:
        raise SerializationError(f"{what}: {problems(error)}") from error
    if record.name != name or record.schedule.definition.encode() != digest:
        raise SerializationError(f"{what}: its document is that of another one")
    return StoredSchedule(record=record, revision=number)
