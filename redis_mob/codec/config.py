"""Config documents and their names as bytes."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, NamedTuple

from redis_mob.codec.ledgers import moment
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import SerializationError, ValidationError
from redis_mob.models.base import U64_MAX, check_json, json_text
from redis_mob.models.config import ConfigChangeEvent, ConfigChangeKind, ConfigVersion
from redis_mob.models.revision import extract_meta_revision

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""The JSON text of a document has at most this many bytes."""

MAX_SCOPE_BYTES = 512


class EncodedDocument(NamedTuple):
    """A document as scripts take it: its revision as decimal text, and its JSON text."""

    revision: bytes
    text: bytes


def check_name(what: str, name: object) -> str:
    """The same name, if it may name a config namespace, document or scope (decision 24).

    Raises ValidationError if it is no text, blank, or contains a control character or a lone surrogate.
    """
    if not isinstance(name, str):
        raise ValidationError(f"a {what} is a text, not {name!r}")
    if not name.strip():
        raise ValidationError(f"{name!r} is no {what}: it is blank")
    for position, character in enumerate(name):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValidationError(
                f"{name!r} is no {what}: character {position} is {character!r}; control characters and lone surrogates "
                "are not allowed"
            )
    return name


def check_revision(expected: object) -> int:
    """The same number, if it can be a revision: an integer from 0 to 2^64-1; raises ValidationError."""
    if not isinstance(expected, int) or isinstance(expected, bool) or not 0 <= expected <= U64_MAX:
        raise ValidationError(f"{expected!r} is no revision: use an integer from 0 to {U64_MAX}")
    return expected


def check_count(what: str, count: object) -> int:
    """The same number, if it is an integer that is not negative; raises ValidationError."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ValidationError(f"{count!r} is no {what}: use an integer from 0")
    return count


def scope_prefix(scope_id: object) -> str:
    """What stands in front of the namespaces of a scope; its length makes it unambiguous (config contract 1.3).

    Raises ValidationError for a bad name, or one of more than 512 bytes.
    """
    scope = check_name("scope id", scope_id)
    size = len(scope.encode())
    if size > MAX_SCOPE_BYTES:
        raise ValidationError(f"the scope id {scope[:40]!r}... has {size} bytes; at most {MAX_SCOPE_BYTES} are allowed")
    return f"scope:{size}:{scope}:"


def encode_namespace(namespace: str) -> bytes:
    """The beginning of the places of all documents of a namespace, and of no other."""
    return pack(namespace)


def encode_place(namespace: str, id: str) -> bytes:
    """The name of a document in the hashes, which sorts by the bytes of its id within its namespace."""
    return pack(namespace) + id.encode()


def encode_document(name: str, value: Any) -> EncodedDocument:
    """A document that was checked. `name` says in errors which it is.

    Raises SerializationError with the offending path for what is no JSON value, is nested deeper than 500 levels, or
    takes more than 64 MiB.
    """
    try:
        text = json_text(check_json(value)).encode()
    except ValueError as error:
        raise SerializationError(f"config document {name} cannot be stored: {error}") from error
    if len(text) > MAX_DOCUMENT_BYTES:
        raise SerializationError(
            f"config document {name} cannot be stored: $: {len(text)} bytes of JSON, at most {MAX_DOCUMENT_BYTES} fit"
        )
    return EncodedDocument(b"%d" % (extract_meta_revision(value) or 0), text)


def decode_document(name: str, text: bytes | None) -> Any:
    """The value of a stored document; None means that its bytes are missing. Raises SerializationError naming it."""
    if text is None:
        raise SerializationError(f"config document {name} is listed, but its text is missing")
    try:
        return json.loads(text.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"the stored config document {name} cannot be read: {error}") from error


def decode_version(name: str, stored: bytes) -> ConfigVersion:
    """A version as lua/config/history gives it. Raises SerializationError naming the document."""
    revision, time, text = (*stored.split(b" ", 2), b"", b"")[:3]
    value = decode_document(name, text)
    try:
        return ConfigVersion(int(revision), moment(int(time)), value)
    except (ValueError, OverflowError) as error:
        raise SerializationError(f"revision and time of config document {name} cannot be read: {error}") from error


def decode_change(cursor: int, fields: dict[bytes, bytes]) -> ConfigChangeEvent:
    """An entry of the feed. Raises SerializationError naming its cursor."""
    try:
        namespace: str = unpack(fields[b"namespace"])
        kind = ConfigChangeKind(fields[b"kind"].decode())
        return ConfigChangeEvent(namespace=namespace, id=fields[b"id"].decode(), kind=kind)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"config change {cursor} cannot be read: {error!r}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
