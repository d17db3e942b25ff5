"""Supervisor authorities and overlays as bytes, and the places of overlays. Secrets are sealed by the caller."""

from __future__ import annotations

from pydantic import ValidationError

from redis_mob import errors
from redis_mob.codec.arguments import instance, integer, storable, text
from redis_mob.codec.documents import encode_document
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack, unpack_all
from redis_mob.errors import InternalError, SerializationError, shown
from redis_mob.models.overlay import ExternalBindingOverlayRecord
from redis_mob.models.problems import problems
from redis_mob.models.supervisor import SupervisorAuthorityRecord

SUPERVISOR = "supervisor authority"
"""What a supervisor's record is called in messages, and sealed as."""


def token_kind(agent_identity: str, generation: int) -> str:
    """What the bootstrap token of an overlay is called in messages, and sealed as; no two have the same.

    Sealed tokens only open under this very text: changing it makes those that are stored unreadable.
    """
    return f"bootstrap token of generation {generation} of agent {agent_identity}"


def decode_supervisor(mob_id: str, plaintext: bytes) -> SupervisorAuthorityRecord:
    """The authority in its opened record. Raises SerializationError naming mob and field, without a secret."""
    try:
        return SupervisorAuthorityRecord.model_validate_json(plaintext)
    except ValidationError as error:
        raise SerializationError(f"{SUPERVISOR} of mob {shown(mob_id)}: {problems(error)}") from None


def encode_supervisor(mob_id: str, argument: str, record: SupervisorAuthorityRecord) -> bytes:
    """An authority before it is sealed. Raises like `encode_document`, without a secret."""
    return encode_document(f"{SUPERVISOR} of mob {shown(mob_id)}", argument, record, SupervisorAuthorityRecord)


def overlay_prefix(mob_id: str) -> bytes:
    """What the places of all overlays of a mob begin with, and those of no other.

    Raises ValidationError if it is no text, InternalError if it is no UTF-8.
    """
    return pack(text("the mob id", mob_id))


def overlay_place(mob_id: str, agent_identity: str, generation: int) -> bytes:
    """The place of an overlay. Raises like `overlay_prefix`, and for a generation that is no integer of 64 bits."""
    agent, number = text("agent_identity", agent_identity), integer("generation", generation)
    try:
        return overlay_prefix(mob_id) + pack(agent) + pack(number)
    except OverflowError:
        raise InternalError(f"generation {shown(number)} cannot be part of a name: it has more than 64 bits") from None


def decode_overlay_place(place: bytes) -> tuple[str, str, int]:
    """(mob, agent identity, generation) of a place. Raises SerializationError."""
    try:
        mob_id, agent_identity, generation = unpack_all(place)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"the place {shown(place)} of an overlay cannot be read") from error
    return mob_id, agent_identity, generation


def place_of_overlay(mob_id: str, record: ExternalBindingOverlayRecord) -> bytes:
    """The place of a record that is about to be stored.

    Raises ValidationError if it is of another class, and InternalError naming the field, without a secret, if it could
    not be read back.
    """
    checked = instance("record", record, ExternalBindingOverlayRecord)

    def encode() -> bytes:
        ExternalBindingOverlayRecord.model_validate_json(checked.model_dump_json(warnings="error"))
        return overlay_place(mob_id, checked.agent_identity, checked.generation)

    overlay_prefix(mob_id)
    agent, generation = (shown(vars(checked).get(name)) for name in ("agent_identity", "generation"))
    return storable(f"the overlay of {agent}, generation {generation}, of mob {shown(mob_id)}", encode)


def as_stored(mob_id: str, record: ExternalBindingOverlayRecord) -> ExternalBindingOverlayRecord:
    """A record as it would be read back: without a token inside its member reference (contract: metadata-7)."""
    place = place_of_overlay(mob_id, record)
    return decode_overlay(place, encode_overlay(record, None), record.bootstrap_token)


def check_same_overlay(
    mob_id: str, expected: ExternalBindingOverlayRecord, record: ExternalBindingOverlayRecord
) -> None:
    """Raises ValidationError unless both are of one agent and generation, as one replaces the other."""
    old, new = instance("expected", expected, ExternalBindingOverlayRecord), record
    if place_of_overlay(mob_id, old) != place_of_overlay(mob_id, new):
        raise errors.ValidationError(
            f"the overlay of {shown(new.agent_identity)}, generation {new.generation}, cannot replace that of "
            f"{shown(old.agent_identity)}, generation {old.generation}: give the one that is there as expected"
        )


def encode_overlay(record: ExternalBindingOverlayRecord, token: bytes | None) -> bytes:
    """An overlay that has a place, with its token as it is to be stored."""
    return pack((record.model_dump_json(exclude={"bootstrap_token"}), token))


def stored_token(place: bytes, stored: bytes) -> bytes | None:
    """The token of a stored overlay, as it is stored. Raises SerializationError naming the overlay."""
    return _parts(place, stored)[1]


def with_token(place: bytes, stored: bytes, token: bytes) -> bytes:
    """A stored overlay with another stored token. Raises SerializationError naming the overlay."""
    return pack((_parts(place, stored)[0], token))


def decode_overlay(place: bytes, stored: bytes, token: str | None) -> ExternalBindingOverlayRecord:
    """An overlay with its opened token. Raises SerializationError naming mob, overlay and field, without a secret."""
    try:
        record = ExternalBindingOverlayRecord.model_validate_json(_parts(place, stored)[0])
    except ValidationError as error:
        raise SerializationError(f"{overlay_at(place)}: {problems(error)}") from None
    _, agent_identity, generation = decode_overlay_place(place)
    if (record.agent_identity, record.generation) != (agent_identity, generation):
        raise SerializationError(f"{overlay_at(place)}: agent_identity or generation belong to another overlay")
    return record.model_copy(update={"bootstrap_token": token})


def encode_token(place: bytes, token: str) -> bytes:
    """A bootstrap token before it is sealed. Raises InternalError, without the token, if it is no UTF-8 text."""
    try:
        return str.encode(token)
    except (TypeError, UnicodeEncodeError):
        pass  # the error holds the token, so that it must not be the context of what is raised
    raise InternalError(f"{overlay_at(place)}: bootstrap_token cannot be stored: it is no UTF-8")


def decode_token(place: bytes, plaintext: bytes) -> str:
    """An opened bootstrap token. Raises SerializationError, without the token, if it is no UTF-8 text."""
    try:
        return plaintext.decode()
    except UnicodeDecodeError:
        pass  # it holds the token, so that it must not be the context of what is raised
    raise SerializationError(f"{overlay_at(place)}: bootstrap_token is no UTF-8")


def overlay_at(place: bytes) -> str:
    """How messages name the overlay in a place."""
    mob_id, agent_identity, generation = decode_overlay_place(place)
    return f"overlay of {shown(agent_identity)}, generation {generation}, of mob {shown(mob_id)}"


def _parts(place: bytes, stored: bytes) -> tuple[str, bytes | None]:
    """(JSON, stored token)."""
    try:
        parts = unpack(stored)
    except UNPACK_ERRORS:
        parts = None
    match parts:
        case (str() as document, bytes() | None as token):
            return document, token
        case _:
            raise SerializationError(f"{overlay_at(place)}: the record is damaged or missing")
