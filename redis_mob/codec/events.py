"""Events as bytes: the fields of our own log, and the envelope in which meerkat stores them (contract: json-10)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast, get_args

from pydantic import ValidationError

from redis_mob import errors
from redis_mob.codec.arguments import instance, storable
from redis_mob.codec.arguments import moment as checked_moment
from redis_mob.codec.ledgers import microseconds, moment
from redis_mob.codec.packing import pack
from redis_mob.codec.payloads import payload
from redis_mob.errors import InternalError, SerializationError, shortened, shown
from redis_mob.models.base import SCHEMA_VERSION, format_timestamp
from redis_mob.models.events import (
    MOB_EVENT_KIND,
    STRUCTURAL_KINDS,
    MobEvent,
    MobEventKind,
    NewMobEvent,
    terminal_identity,
)
from redis_mob.models.flow_events import (
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepFailed,
    StepSkipped,
    StepTargetFailed,
)
from redis_mob.models.member_events import MemberSpawned
from redis_mob.models.member_ref import MEMBER_REF
from redis_mob.models.problems import problems

EVENT_SCHEMA_VERSION = str(SCHEMA_VERSION).encode()
"""What the field `schema_version` of every event in the log holds."""

STRUCTURAL = tuple(f'{{"type":"{kind}"'.encode() for kind in STRUCTURAL_KINDS)
"""How the JSON of a structural kind begins, up to the first comma or closing brace."""

_KINDS = get_args(get_args(MobEventKind)[0])

_REF = "bridge_member_ref"
_PRE_0_6 = "schema_version is missing; history of a mob from before meerkat 0.6 (pre-0.6) is not supported"


_SPEAKING = (FlowStarted, FlowCompleted, FlowFailed, StepTargetFailed, StepFailed, StepSkipped)
"""The kinds that have what users or handlers say: parameters, outputs, reasons."""

_RUN_ID = b'","run_id":"'


def _time(since_epoch: bytes) -> datetime:
    return moment(int(since_epoch))


_FIELDS: Mapping[str, Callable[[bytes], Any]] = {
    "timestamp": _time,
    "mob_id": bytes.decode,
    "kind": MOB_EVENT_KIND.validate_json,
}


class EncodedEvent(NamedTuple):
    """A new event as the scripts of the log take it.

    `timestamp` is integer microseconds since 1970 as text, empty for the server's clock. `terminal` identifies the
    run that the event ends (a msgpack array of mob, run, flow), `once` the step whose failure it tells (mob, run,
    step); both are empty for other events.
    """

    mob_id: bytes
    timestamp: bytes
    kind: bytes
    terminal: bytes
    once: bytes


def encode_new_event(event: NewMobEvent, *, is_vouched: bool = False) -> EncodedEvent:
    """The event as bytes. It is not tried whether one that is vouched for can be read back.

    Raises ValidationError if it is no NewMobEvent, InternalError, naming mob and kind, if it could not be read back.
    """
    checked = instance("event", event, NewMobEvent)
    return storable(lambda: _event_named(checked), lambda: _encoded(checked, is_vouched=is_vouched))


def _encoded(event: NewMobEvent, *, is_vouched: bool) -> EncodedEvent:
    mob_id = str.encode(event.mob_id)
    kind = kind_of(event)
    written = _kind_json(kind).encode()
    if not is_vouched:
        kind = MOB_EVENT_KIND.validate_json(written)
    ends = terminal_identity(kind)
    at = None if event.timestamp is None else checked_moment("timestamp", event.timestamp)
    return EncodedEvent(
        mob_id=mob_id,
        timestamp=b"" if at is None else b"%d" % microseconds(at.astimezone(UTC)),
        kind=_payload(written) if isinstance(kind, _SPEAKING) else written,
        terminal=pack((event.mob_id, *ends)) if ends else b"",
        once=pack((event.mob_id, kind.run_id, kind.step_id)) if isinstance(kind, StepFailed) else b"",
    )


def _payload(kind: bytes) -> bytes:
    """The kind as a payload: scripts look at its type and its run, which come first."""
    return payload(kind, clear=kind.index(b'"', kind.index(_RUN_ID) + len(_RUN_ID)) + 1, stays=True)


def _event_named(event: NewMobEvent) -> str:
    fields = vars(event)
    kind = getattr(fields.get("kind"), "type", None)
    named = shortened(kind) if isinstance(kind, str) else "unknown"
    return f"the {named} event of mob {shown(fields.get('mob_id'))}"


def kind_of(event: NewMobEvent) -> MobEventKind:
    """What happened in an event. Raises like `encode_new_event` for an event without a kind."""
    kind: Any = vars(instance("event", event, NewMobEvent)).get("kind")
    if not isinstance(kind, _KINDS):
        raise InternalError(f"{_event_named(event)} cannot be stored: its kind is a {type(kind).__name__}")
    return kind


def check_of_mob(mob_id: str, event: NewMobEvent) -> None:
    """Raises ValidationError for an event of another mob."""
    if event.mob_id != mob_id:
        raise errors.ValidationError(
            f"{_event_named(event)} does not tell of the definition of mob {shown(mob_id)}: give an event of that mob"
        )


def require_terminal(event: NewMobEvent) -> None:
    """Raises InternalError for an event that ends no flow (contract: events-8)."""
    kind = kind_of(event)
    if terminal_identity(kind) is None:
        raise InternalError(f"{kind.type} ends no flow: use flow_completed, flow_failed or flow_canceled")


def require_step_failed(event: NewMobEvent) -> None:
    """Raises InternalError for an event of another kind than step_failed (contract: events-10)."""
    kind = kind_of(event)
    if not isinstance(kind, StepFailed):
        raise InternalError(f"a step_failed event is needed, not {kind.type}")


_PUSHED = re.compile(rb"([0-9]+) ([0-9]+) (-?[0-9]+) ([0-9]+) ")
"""What stands before mob and kind in a message: schema version, cursor, timestamp, and how many bytes the mob has."""


@lru_cache(maxsize=1024)
def pushed_event(message: bytes) -> tuple[int, Mapping[bytes, bytes]] | None:
    """(cursor, fields) of the event that a message of lua/lib/event_log brings; None if it brings none.

    None too for one of another schema version: who reads the log is told of that.
    """
    # all subscribers of a process hear the same message
    if (head := _PUSHED.match(message)) is None or head[1] != EVENT_SCHEMA_VERSION:
        return None
    mob_ends = head.end() + int(head[4])
    if mob_ends >= len(message):
        return None
    fields = {
        b"schema_version": head[1],
        b"mob_id": message[head.end() : mob_ends],
        b"timestamp": head[3],
        b"kind": message[mob_ends:],
    }
    return int(head[2]), fields


def decode_event(cursor: int, fields: Mapping[bytes, bytes]) -> MobEvent:
    """The event that lies at this cursor of the log.

    Raises SerializationError naming the cursor and what is wrong (contract: events-12).
    """
    version = fields.get(b"schema_version")
    if version is None:
        raise SerializationError(f"event {cursor}: {_PRE_0_6}")
    if version != EVENT_SCHEMA_VERSION:
        raise SerializationError(f"event {cursor}: {_unsupported(version.decode(errors='replace'))}")
    values: dict[str, Any] = {}
    for field, read in _FIELDS.items():
        raw = fields.get(field.encode())
        if raw is None:
            raise SerializationError(f"event {cursor}: {field} is missing")
        try:
            values[field] = read(raw)
        except (ValueError, OverflowError) as error:
            reason = problems(error) if isinstance(error, ValidationError) else error
            raise SerializationError(f"event {cursor}: {field}: {reason}") from error
    return MobEvent(cursor=cursor, **values)


def encode_stored_event(event: MobEvent) -> str:
    """The row that meerkat's stores write for this event: compact JSON with sorted keys.

    The order of steps in a definition is lost there, as it is in meerkat.
    """
    row = {
        "cursor": event.cursor,
        "kind": json.loads(_kind_json(event.kind)),
        "mob_id": event.mob_id,
        "timestamp": format_timestamp(event.timestamp),
    }
    envelope = {"event": row, "schema_version": SCHEMA_VERSION}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def decode_stored_event(text: str | bytes) -> MobEvent:
    """The event in a row of meerkat's stores, with the cursor that the row names.

    Raises SerializationError saying what is wrong; a row without a version is from before meerkat 0.6.
    """
    event = _unwrap(text)
    kind = event.get("kind")
    if isinstance(kind, dict) and _REF in kind:
        # The reference is checked on every kind, also where it means nothing (contract: events-22).
        try:
            MEMBER_REF.validate_json(json.dumps(kind[_REF]))
        except ValidationError as error:
            raise SerializationError(f"stored event: kind.{_REF}: {problems(error)}") from error
    try:
        return MobEvent.model_validate_json(json.dumps(event))
    except ValidationError as error:
        raise SerializationError(f"stored event: {problems(error)}") from error


def _unwrap(text: str | bytes) -> dict[str, Any]:
    """The event inside an envelope of the right version."""
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"stored event: no JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise SerializationError("stored event: the envelope must be an object")
    fields = cast("dict[str, Any]", envelope)
    version = fields.get("schema_version")
    if type(version) is not int or version < 0:
        raise SerializationError(f"stored event: {_PRE_0_6}")
    if version != SCHEMA_VERSION:
        raise SerializationError(f"stored event: {_unsupported(version)}")
    event = fields.get("event")
    if not isinstance(event, dict):
        raise SerializationError("stored event: the field event is missing or no object")
    return cast("dict[str, Any]", event)


def _unsupported(version: object) -> str:
    return f"schema_version {version} is not supported; this release reads version {SCHEMA_VERSION}"


def _kind_json(kind: MobEventKind) -> str:
    """The JSON of a kind in the order of its fields, with the reference that the public form leaves out at the end."""
    public = kind.model_dump_json(warnings="error")
    if isinstance(kind, MemberSpawned) and kind.bridge_member_ref is not None:
        return f'{public[:-1]},"{_REF}":{kind.bridge_member_ref.model_dump_json(warnings="error")}}}'
    return public
