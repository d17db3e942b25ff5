"""The rows of a mob.db as what this library stores, and as they are where it has no store for them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import pydantic

from redis_mob.codec.events import decode_stored_event
from redis_mob.errors import SerializationError, shown
from redis_mob.meerkat import schemas
from redis_mob.meerkat.reading import Row
from redis_mob.models.base import Model, canonical_run_id, json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.outer_json import NoJsonError, read_json
from redis_mob.models.overlay import ExternalBindingOverlayRecord
from redis_mob.models.problems import problems
from redis_mob.models.profile import Profile, StoredRealmProfile
from redis_mob.models.run import MobRun
from redis_mob.models.supervisor import SupervisorAuthorityRecord

M = TypeVar("M", bound=Model)
T = TypeVar("T")


class Spec(Model):
    """What a row of mob_specs holds."""

    definition: MobDefinition
    revision: int


class OfMob(NamedTuple):
    """Something of a mob."""

    mob_id: str
    value: Any


def decoded(decode: Callable[[Row], T], row: Row) -> T:
    """What a row holds. Raises SerializationError also where decoding it ends by an error of ours.

    Then the others come nevertheless, and the import can be ended.
    """
    try:
        return decode(row)
    except SerializationError:
        raise
    except Exception as error:
        raise SerializationError(f"an error of redis_mob, which should not be: {type(error).__name__}") from error


def event_of(row: Row) -> MobEvent:
    """The event of a row. Raises SerializationError, as all functions here."""
    event = decode_stored_event(_json(row["event_json"]))
    if event.cursor != row["cursor"]:
        raise SerializationError(f"the event in it has cursor {event.cursor}")
    return event


def run_of(row: Row) -> MobRun:
    """The run of a row."""
    run = _read(MobRun, row["run_json"])
    try:
        named = canonical_run_id(_text(row["run_id"]))
    except ValueError:
        raise SerializationError("its run_id is no UUID") from None
    if run.run_id != named:
        raise SerializationError(f"the run in it has id {shown(run.run_id)}")
    return run


def spec_of(row: Row) -> OfMob:
    """The mob and the `Spec` of a row."""
    spec = _read(Spec, row["spec_json"])
    if spec.model_extra:
        more = shown(next(iter(spec.model_extra)))
        raise SerializationError(f"it has {more} beside definition and revision, for which there is no place here")
    return OfMob(_text(row["mob_id"]), spec)


def supervisor_of(row: Row) -> OfMob:
    """The mob and the authority of a row."""
    return OfMob(_text(row["mob_id"]), _read(SupervisorAuthorityRecord, row["record_json"]))


def overlay_of(row: Row) -> OfMob:
    """The mob and the overlay of a row."""
    overlay = _read(ExternalBindingOverlayRecord, row["record_json"])
    if (overlay.agent_identity, overlay.generation) != (row["agent_identity"], row["generation"]):
        raise SerializationError(
            f"the overlay in it is of {shown(overlay.agent_identity)}, generation {overlay.generation}"
        )
    return OfMob(_text(row["mob_id"]), overlay)


def profile_of(row: Row) -> StoredRealmProfile:
    """The realm profile of a row."""
    parts = {name: json.dumps(_text(row[name], name)) for name in ("name", "created_at", "updated_at")}
    if not isinstance(row["revision"], int):
        raise SerializationError(f"its revision is no integer, but {_kind(row['revision'])}")
    _read(Profile, row["profile_json"])  # by itself, before it becomes a part of a text
    parts |= {"revision": str(row["revision"]), "profile": _json(row["profile_json"]).decode()}
    return _read(StoredRealmProfile, "{" + ",".join(f'"{name}":{part}' for name, part in parts.items()) + "}")


class Record(NamedTuple):
    """A generic record."""

    collection: str
    key: str
    value: Any


def record_of(row: Row) -> Record:
    """The record of a row of our own table."""
    try:
        return Record(_text(row["collection"]), _text(row["key"]), read_json(_json(row["value_json"])))
    except NoJsonError as error:
        raise SerializationError(str(error)) from None


NAMED_BY: dict[str, Sequence[str]] = {
    schemas.EVENTS: ("cursor",),
    schemas.RUNS: ("run_id",),
    schemas.SPECS: ("mob_id",),
    schemas.SUPERVISORS: ("mob_id",),
    schemas.OVERLAYS: ("mob_id", "agent_identity", "generation"),
    schemas.PROFILES: ("name",),
    schemas.EVENT_META: ("key",),
    schemas.RECORDS: ("collection", "key"),
}
"""By which columns a report names a row."""


def row_name(columns: Sequence[str], row: Row) -> str:
    """How a report names a row: `cursor 5`, `mob_id "m", generation 1`."""
    return ", ".join(f"{name} {shown(row[name])}" for name in columns)


def verbatim_key(keys: Sequence[str], rowid: int, row: Row) -> str:
    """Under which key the record of a row is kept: the JSON of its primary key, or of its rowid where it has none."""
    return json_text([_plain(row[name]) for name in keys] or [rowid])


def verbatim(row: Row) -> dict[str, Any]:
    """A row as a record: numbers, text and null as they are, a blob as `{"text": ...}`, or in hex if it is no UTF-8."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return {"text": value.decode()}
        except UnicodeDecodeError:
            return {"hex": value.hex()}
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"text_hex": value.encode("utf-8", "surrogateescape").hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"real": repr(value)}
    return value


def _read(model: type[M], stored: Any) -> M:
    try:
        return model.model_validate_json(_json(stored))
    except pydantic.ValidationError as error:
        # not chained: the error holds what was read, which may be secret
        reason = problems(error)
    raise SerializationError(reason)


def _json(stored: Any) -> bytes:
    if isinstance(stored, str):
        stored = stored.encode("utf-8", "surrogateescape")
    if not isinstance(stored, bytes):
        raise SerializationError(f"there is no JSON in it, but {_kind(stored)}")
    try:
        stored.decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"what it holds is no UTF-8 from byte {error.start} on") from None
    return stored


def _text(value: Any, column: str = "name") -> str:
    if not isinstance(value, str):
        raise SerializationError(f"its {column} is no text, but {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SerializationError(f"its {column} is no UTF-8") from None
    return value


_KINDS: dict[object, str] = {bytes: "a blob", int: "an integer", float: "a real number", str: "a text"}


def _kind(value: object) -> str:
    """What SQLite calls a value, which may be secret."""
    return _KINDS.get(type(value), "null")
