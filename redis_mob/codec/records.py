"""Generic records as bytes: where each stands, and its value."""

from __future__ import annotations

from typing import Any

from redis_mob.codec.arguments import text
from redis_mob.codec.ledgers import decode_json, encode_value
from redis_mob.errors import CasConflictError, SerializationError, ValidationError, shown
from redis_mob.models.base import json_equal


def record_named(collection: str, key: str) -> str:
    """What errors call a record."""
    return f"record {shown(key)} of collection {shown(collection)}"


def collection_prefix(collection: str) -> bytes:
    """What the places of all records of a collection begin with, and those of no other."""
    name = text("collection", collection).encode()
    return len(name).to_bytes(4, "big") + name


def record_place(collection: str, key: str) -> bytes:
    """The name of a record in its hash; within a collection places sort as the bytes of the keys."""
    return collection_prefix(collection) + text("key", key).encode()


def key_of_place(prefix: bytes, place: bytes) -> str:
    """The key of a record that stands behind the prefix of its collection. Raises SerializationError."""
    try:
        return place.removeprefix(prefix).decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the place {shown(place)} of a record cannot be read: {error}") from error


def collection_of_prefix(prefix: bytes) -> str:
    """The collection that has this prefix. Raises SerializationError."""
    try:
        return prefix[4:].decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the collection {shown(prefix)} of a record cannot be read: {error}") from error


def encode_record(collection: str, key: str, value: Any) -> bytes:
    """A value as it is stored; its keys keep their order.

    Raises ValidationError for None, InternalError for what is no JSON.
    """
    if value is None:
        raise ValidationError("value must be a JSON value other than null, which means that there is no record")
    return encode_value(record_named(collection, key), value)


def comparable(collection: str, key: str, value: Any) -> Any:
    """A value as it would be read: a tuple as a list, a subclass of str as a str. Raises InternalError for no JSON."""
    return decode_json(encode_value(record_named(collection, key), value))


def decode_record(collection: str, key: str, stored: bytes) -> Any:
    """The value that was stored. Raises SerializationError naming the record."""
    try:
        value = decode_json(stored)
    except ValueError as error:
        raise SerializationError(f"{record_named(collection, key)} cannot be read: {error}") from error
    if value is None:
        raise SerializationError(f"{record_named(collection, key)} cannot be read: it is null")
    return value


def is_equal(collection: str, key: str, stored: bytes, value: Any) -> bool:
    """Whether the stored value is this one, which `comparable` gave (contract: store-6). Raises SerializationError."""
    return json_equal(decode_record(collection, key, stored), value)


def another_value(collection: str, key: str) -> CasConflictError:
    """The error of an insert that finds another value; values may be secret."""
    return CasConflictError(
        f"{record_named(collection, key)} exists already with another value; replace that with compare_and_put"
    )
