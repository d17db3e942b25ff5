"""Entries of the progress of a run as bytes: msgpack of their fields, with the value as JSON text among them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from redis_mob.codec.arguments import flag, instance, integer, optional_integer, storable, text
from redis_mob.codec.documents import decode_time
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.codec.payloads import Payload, payload
from redis_mob.errors import InternalError, SerializationError, shown
from redis_mob.models.base import check_value, json_text
from redis_mob.models.progress import (
    MOST_BYTES,
    REPORT,
    STORED_PROGRESS,
    NewProgress,
    ProgressSource,
    StoredProgress,
)

_KINDS = ("report", "chunk", "reset", "end")


def encode_progress(entry: NewProgress) -> Payload:
    """An entry as it is stored.

    Raises ValidationError for what is none, InternalError for one that cannot be stored or is too long.
    """
    source = instance("source", instance("entry", entry, NewProgress).source, ProgressSource)
    if text("kind", entry.kind) not in _KINDS:
        raise InternalError(f"kind {shown(entry.kind)} cannot be stored: it is one of {', '.join(_KINDS)}")
    value = storable("value", lambda: json_text(check_value(entry.value)))
    if (length := len(value.encode())) > MOST_BYTES:
        raise InternalError(f"value cannot be stored: it is {length:,} bytes of JSON, more than {MOST_BYTES:,}")
    record = pack(
        (
            entry.kind,
            text("step_id", source.step_id),
            text("node_id", source.node_id),
            text("frame_id", source.frame_id),
            optional_integer("iteration", source.iteration),
            text("member", source.member),
            integer("attempt", source.attempt, least=0),
            integer("fencing_token", source.fencing_token, least=0),
            value,
            text("topic", entry.topic),
            integer("number", entry.number, least=0),
            integer("lost", entry.lost, least=0),
            flag("succeeded", entry.succeeded),
        )
    )
    return payload(record, stays=True)  # it goes before its run does


def decode_progress(run_id: str, offset: int, fields: Mapping[bytes, bytes]) -> StoredProgress:
    """An entry as it was stored. Raises SerializationError naming the run and the offset."""
    what = f"entry {offset} of the progress of run {run_id}"
    at = decode_time(what, "at", fields.get(b"at", b""))
    try:
        kind, *rest = unpack(fields[b"entry"])
        *source, value, topic, number, lost, succeeded = rest
        found = {
            "kind": kind,
            "offset": offset,
            "at": at,
            "topic": REPORT if kind == "report" else topic,
            "number": number,
            "lost": lost,
            "succeeded": succeeded,
            **dict(zip(ProgressSource._fields, source, strict=True)),
            **(json.loads(value) if kind == "report" else {"value": json.loads(value)}),
        }
        return STORED_PROGRESS.validate_python(found)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"{what} cannot be read: {error}") from error
