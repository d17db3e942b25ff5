"""Events as bytes: the fields of our own log, and the envelope in which meerkat stores them (contract: json-10)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from pydantic import Field, ValidationError

from redis_mob import errors
from redis_mob.codec.arguments import instance, storable
from redis_mob.codec.arguments import moment as checked_moment
from redis_mob.codec.ledgers import microseconds, moment
from redis_mob.codec.packing import pack
from redis_mob.codec.payloads import payload
from redis_mob.codec.run_heads import ended_identity
from redis_mob.errors import CasConflictError, InternalError, SerializationError, shortened, shown
from redis_mob.models.base import SCHEMA_VERSION, format_timestamp, is_none, json_text
from redis_mob.models.duplicates import Repeating, is_as_written, object_of, repeated_in
from redis_mob.models.events import (
    KIND_CLASSES,
    MOB_EVENT_KIND,
    STRUCTURAL_KINDS,
    EventEnvelope,
    MobEvent,
    MobEventKind,
    MobReset,
    NewMobEvent,
    terminal_identity,
)
from redis_mob.models.flow_events import (
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepFailed,
    StepSkipped,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.models.later_events import ForkJobTerminal
from redis_mob.models.member_events import MemberSpawned
from redis_mob.models.member_ref import MEMBER_REF
from redis_mob.models.outer_json import NoJsonError, read_json
from redis_mob.models.problems import problems
from redis_mob.models.secret import SecretModel
from redis_mob.models.unknown_event import UnknownEvent

EVENT_SCHEMA_VERSION = str(SCHEMA_VERSION).encode()
"""What the field `schema_version` of every event in the log holds: the form of our log, which all have."""

READ_SCHEMAS = (6, 8, 9)
"""The versions of stored events that meerkat has written since 0.6: 6 up to 0.6.34, 8 in 0.7, 9 since 0.8."""

STRUCTURAL = tuple(f'{{"type":"{kind}"'.encode() for kind in STRUCTURAL_KINDS)
"""How the JSON of a structural kind begins, up to the first comma or closing brace."""

_REF = "bridge_member_ref"
_PRE_0_6 = "schema_version is missing; history of a mob from before meerkat 0.6 (pre-0.6) is not supported"


_KINDS = frozenset(KIND_CLASSES)

_SPEAKING = {
    FlowStarted,
    FlowCompleted,
    FlowFailed,
    StepTargetFailed,
    StepFailed,
    StepSkipped,
    ForkJobTerminal,
    UnknownEvent,
}
"""The kinds that have what users or handlers say: parameters, outputs, reasons."""

_SCRIPTS_LOOK_AT = re.compile(rb'{"type":"(?:[^"\\]|\\.)*"(?:,"run_id":"[^"]*"|[,}])')
"""What scripts look at in a kind: its type, and the run, where that comes next, or what ends the type."""

_AROUND = b"\x1e"
"""What stands between a kind and what is around it, where there is any: no JSON text has it."""


class _Around(SecretModel):
    """What belongs to an event beside cursor, time, mob and kind: its envelope, and what of it is not known."""

    envelope: EventEnvelope | None = Field(default=None, exclude_if=is_none)


def _time(since_epoch: bytes) -> datetime:
    return moment(int(since_epoch))


def _kind(stored: bytes) -> tuple[MobEventKind, _Around | None]:
    kind, _, around = stored.partition(_AROUND)
    return MOB_EVENT_KIND.validate_json(kind), _Around.model_validate_json(around) if around else None


_FIELDS: Mapping[str, Callable[[bytes], Any]] = {
    "timestamp": _time,
    "mob_id": bytes.decode,
    "kind": _kind,
}


class EncodedEvent(NamedTuple):
    """A new event as the scripts of the log take it.

    `timestamp` is integer microseconds since 1970 as text, empty for the server's clock. `identities` name what happens
    once: the first one says what that is, the second, where there is one, what was told of it (see `identities_of`).
    """

    mob_id: bytes
    timestamp: bytes
    kind: bytes
    identities: tuple[bytes, ...]


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
    around = _around_json(event)
    if not is_vouched:
        kind = MOB_EVENT_KIND.validate_json(written)
        if around:
            _Around.model_validate_json(around[len(_AROUND) :])
    at = None if event.timestamp is None else checked_moment("timestamp", event.timestamp)
    return EncodedEvent(
        mob_id=mob_id,
        timestamp=b"" if at is None else b"%d" % microseconds(at.astimezone(UTC)),
        kind=_payload(written + around) if around or _is_speaking(kind) else written,
        identities=_identities_of(event.mob_id, kind, written + around),
    )


def _identities_of(mob_id: str, kind: MobEventKind, written: bytes) -> tuple[bytes, ...]:
    """The names under which the index of the log knows an event; a letter for what it is comes first.

    `t` is the end of a run, `f` the failure of a step, `c` the same with what was said of it. `j` is the outcome of a
    job and `k` the same with what was said of it; lua/lib/event_log puts the last reset of the mob behind these two,
    which is known by `r`: a reset begins anew (contract: events-23).
    """
    if (ends := terminal_identity(kind)) is not None:
        run_id, flow_id = ends
        return (ended_identity(mob_id, flow_id, run_id),)
    if isinstance(kind, StepFailed):
        once = pack((mob_id, kind.run_id, kind.step_id))
        return b"f" + once, b"c" + once + _digest(written)
    if isinstance(kind, ForkJobTerminal):
        job = pack((mob_id, kind.job_id, kind.child))
        # what is said is compared as JSON: the order of fields is not looked at
        said = json_text(kind.model_dump(mode="json", warnings="error"), sort_keys=True)
        return b"j" + job, b"k" + job + _digest(said.encode())
    return (b"r" + mob_id.encode(),) if isinstance(kind, MobReset) else ()


def _digest(said: bytes) -> bytes:
    return blake2b(said, digest_size=16).digest()


def _is_speaking(kind: MobEventKind) -> bool:
    """Whether a kind has what users or handlers say, as what is not known may be."""
    # by its type: `isinstance` calls pydantic's Python code for each class that it is not, which takes microseconds
    if type(kind) in _SPEAKING or kind.__pydantic_extra__:
        return True
    return type(kind) is StepTargetCompleted and kind.output is not None


def _payload(kind: bytes) -> bytes:
    """The kind as a payload: scripts look at its type and its run, which come first."""
    head = _SCRIPTS_LOOK_AT.match(kind)
    return payload(kind, clear=0 if head is None else head.end(), stays=True)


def unknown_of(event: NewMobEvent) -> dict[str, Any]:
    """The fields of an event that are not known. A cursor is none: the log gives another one."""
    extra = event.__pydantic_extra__
    return {name: value for name, value in extra.items() if name != "cursor"} if extra else {}


def _around_json(event: NewMobEvent) -> bytes:
    """What is around a kind, behind what parts them; empty if that is nothing, as it is for all that we make."""
    unknown, envelope = unknown_of(event), event.envelope
    if not unknown and envelope is None:
        return b""
    around = {} if envelope is None else {"envelope": envelope.model_dump(mode="json", warnings="error")}
    return _AROUND + json_text({**around, **unknown}).encode()


def _event_named(event: NewMobEvent) -> str:
    fields = vars(event)
    kind = getattr(fields.get("kind"), "type", None)
    named = shortened(kind) if isinstance(kind, str) else "unknown"
    return f"the {named} event of mob {shown(fields.get('mob_id'))}"


def kind_of(event: NewMobEvent) -> MobEventKind:
    """What happened in an event. Raises like `encode_new_event` for an event without a kind."""
    kind: Any = vars(instance("event", event, NewMobEvent)).get("kind")
    if type(kind) not in _KINDS and not isinstance(kind, KIND_CLASSES):
        raise InternalError(f"{_event_named(event)} cannot be stored: its kind is a {type(kind).__name__}")
    return cast("MobEventKind", kind)


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


def require_kind(event: NewMobEvent, wanted: type[StepFailed | ForkJobTerminal]) -> None:
    """Raises InternalError for an event of another kind (contract: events-10, events-23)."""
    kind = kind_of(event)
    if not isinstance(kind, wanted):
        raise InternalError(f"a {wanted.model_fields['type'].default} event is needed, not {kind.type}")


def told_otherwise(event: NewMobEvent) -> CasConflictError:
    """The error for an event of which the log has another one that happened once."""
    kind = kind_of(event)
    if isinstance(kind, ForkJobTerminal):
        return CasConflictError(f"the log has another outcome of job {shown(kind.job_id)} of {shown(kind.child)}")
    return CasConflictError(f"the log has another {kind.type} event for the same run and step")


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
    kind, around = values.pop("kind")
    if around is None:
        return MobEvent.unchecked(cursor=cursor, kind=kind, **values)  # all of it was checked when it was read
    known = {"cursor": cursor, "kind": kind, "envelope": around.envelope, **values}
    return MobEvent.model_validate({**(around.model_extra or {}), **known})


def encode_stored_event(event: MobEvent) -> str:
    """The row that meerkat's stores write for this event: compact JSON with sorted keys.

    The order of steps in a definition is lost there, as it is in meerkat.
    """
    row = {
        **(event.model_extra or {}),
        "cursor": event.cursor,
        "kind": json.loads(_kind_json(event.kind)),
        "mob_id": event.mob_id,
        "timestamp": format_timestamp(event.timestamp),
    }
    around = EventEnvelope() if event.envelope is None else event.envelope
    envelope = {**around.model_dump(mode="json"), "event": row}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def decode_stored_event(text: str | bytes) -> MobEvent:
    """The event in a row of meerkat's stores, with the cursor that the row names.

    Raises SerializationError saying what is wrong; a row without a version is from before meerkat 0.6.
    """
    event, around = _unwrap(text)
    kind = event.get("kind")
    if isinstance(kind, dict) and _REF in kind:
        # The reference is checked on every kind, also where it means nothing (contract: events-22).
        try:
            MEMBER_REF.validate_json(json.dumps(kind[_REF]))
        except ValidationError as error:
            raise SerializationError(f"stored event: kind.{_REF}: {problems(error)}") from error
    if "envelope" in event:
        raise SerializationError("stored event: envelope is no field of an event in an envelope")
    try:
        read = MobEvent.model_validate_json(
            json.dumps({**event, **around}, ensure_ascii=False, separators=(",", ":")).encode()
        )
    except UnicodeEncodeError:
        raise SerializationError("stored event: a lone surrogate cannot be stored as UTF-8") from None
    except ValidationError as error:
        raise SerializationError(f"stored event: {problems(error)}") from error
    if (twice := repeated_in(event, read)) is not None:
        raise _given_twice(shortened(".".join(map(str, twice))))
    return read


def _unwrap(text: str | bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event inside an envelope of a version that is read; and the envelope as its field, where it says more."""
    is_plain = is_as_written(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    try:
        envelope = read_json(text, None if is_plain else object_of)
    except NoJsonError as error:
        raise SerializationError(f"stored event: {error}") from error
    if not isinstance(envelope, dict):
        raise SerializationError("stored event: the envelope must be an object")
    fields = cast("dict[str, Any]", envelope)
    if isinstance(fields, Repeating) and "event" in fields.repeated:
        raise _given_twice("event")
    if "schema_version" not in fields:
        raise SerializationError(f"stored event: {_PRE_0_6}")
    version = fields["schema_version"]
    if type(version) is not int:
        raise SerializationError("stored event: schema_version must be an integer")
    if version not in READ_SCHEMAS:
        raise SerializationError(f"stored event: {_unsupported(version)}")
    event = fields.pop("event", None)
    if not isinstance(event, dict):
        raise SerializationError("stored event: the field event is missing or no object")
    return cast("dict[str, Any]", event), {} if fields == {"schema_version": SCHEMA_VERSION} else {"envelope": fields}


def _given_twice(path: str) -> SerializationError:
    return SerializationError(f"stored event: {path}: the field is given twice")


def _unsupported(version: object) -> str:
    return f"schema_version {version} is not supported; this release reads {', '.join(map(str, READ_SCHEMAS))}"


def _kind_json(kind: MobEventKind) -> str:
    """The JSON of a kind in the order of its fields, with the reference that the public form leaves out at the end."""
    if type(kind) is UnknownEvent and (run_id := kind.run_id) is not None:
        # scripts find the run behind the type
        return json_text({"type": kind.type, "run_id": run_id, **kind.content})
    public = kind.model_dump_json(warnings="error")
    if isinstance(kind, MemberSpawned) and kind.bridge_member_ref is not None:
        return f'{public[:-1]},"{_REF}":{kind.bridge_member_ref.model_dump_json(warnings="error")}}}'
    return public
