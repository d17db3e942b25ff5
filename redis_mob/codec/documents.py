"""What documents under a name are stored with: their names, revisions, times, and their JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from redis_mob.codec.arguments import instance, optional_integer, storable_json, text
from redis_mob.codec.delimited import undelimited
from redis_mob.codec.ledgers import moment
from redis_mob.errors import SerializationError, shown
from redis_mob.models.base import U64_MAX, Model

M = TypeVar("M", bound=Model)

ANY_REVISION = b""
"""The expected revision of a write that overwrites without a condition."""


def encode_name(what: str, name: str) -> bytes:
    """A name as the field of a hash. Raises ValidationError, saying what it names, if it is no text.

    Raises InternalError if it is no UTF-8.
    """
    return text(f"the {what}", name).encode()


def decode_name(what: str, field: bytes) -> str:
    """The name that a field holds. Raises SerializationError."""
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the {what} {shown(field)} cannot be read: it is no UTF-8") from error


def decode_members(key: str, members: Iterable[Any]) -> list[str]:
    """The texts that a key holds. Raises SerializationError naming the key for one that is none."""
    found: list[str] = []
    for member in map(bytes, members):
        try:
            found.append(member.decode())
        except UnicodeDecodeError as error:
            raise SerializationError(f"{key} is damaged: it has {shown(member)}, which is no UTF-8") from error
    return found


def encode_document(what: str, argument: str, document: M, model: type[M]) -> bytes:
    """The JSON of a document of this class.

    Raises ValidationError, naming the argument, if it is of another class. Raises InternalError, saying what it is and
    which field is wrong, if it could not be read back.
    """
    checked = instance(argument, document, model)
    return storable_json(what, lambda: checked.model_dump_json(warnings="error").encode(), model.model_validate_json)


def encode_revision(argument: str, revision: int | None) -> bytes:
    """An expected revision as scripts compare it: decimal text, empty for any. Raises ValidationError for no integer.

    Stored revisions have at most 64 bits, so that a number of more bits, or a negative one, equals none of them.
    """
    number = optional_integer(argument, revision)
    if number is None:
        return ANY_REVISION
    return b"%d" % number if 0 <= number <= U64_MAX else b"-1"


def decode_revision(what: str, revision: bytes) -> int:
    """A revision of at most 64 bits. Raises SerializationError naming the document that has it."""
    return decode_decimal(what, "revision", revision)


def decode_decimal(what: str, field: str, digits: bytes) -> int:
    """A number of at most 64 bits. Raises SerializationError saying what it is a field of."""
    try:
        digits = undelimited(digits)
    except ValueError as error:
        raise SerializationError(f"{what}: {field} cannot be read: {error}") from error
    if digits.isdigit() and len(digits) <= len(str(U64_MAX)) and (number := int(digits)) <= U64_MAX:
        return number
    raise SerializationError(f"{what}: {field} is no number of at most 64 bits")


def decode_time(what: str, field: str, digits: bytes) -> datetime:
    """A moment in microseconds since 1970. Raises like `decode_decimal`."""
    try:
        return moment(decode_decimal(what, field, digits))
    except OverflowError as error:
        raise SerializationError(f"{what}: {field} lies after the year 9999") from error
