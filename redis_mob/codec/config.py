"""Config documents and their names as bytes."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from redis_mob.codec.arguments import listed
from redis_mob.codec.delimited import delimited, undelimited
from redis_mob.codec.ledgers import moment
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import (
    AlreadyExistsError,
    ConfigStoreError,
    SerializationError,
    ValidationError,
    VersionConflictError,
    shortened,
    shown,
)
from redis_mob.models.base import U64_MAX, check_json, json_text
from redis_mob.models.config import (
    ConfigChangeEvent,
    ConfigChangeKind,
    ConfigVersion,
    ConfigWrite,
    Delete,
    DeleteIfRevision,
    Put,
    PutIfAbsent,
    PutIfRevision,
)
from redis_mob.models.revision import extract_meta_revision

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""The JSON text of a document has at most this many bytes."""

MAX_SCOPE_BYTES = 512


class EncodedDocument(NamedTuple):
    """A document as scripts take it: its revision as decimal text, and its JSON text."""

    revision: bytes
    text: bytes


Condition: TypeAlias = Literal["any", "absent"] | int
"""What must be stored for a write to happen: anything or nothing, no document, or one of this revision."""


class EncodedWrite(NamedTuple):
    """A write that was checked. Its namespace is that outside all scopes; without a document it deletes."""

    namespace: str
    id: str
    condition: Condition
    document: EncodedDocument | None


def check_name(what: str, name: object) -> str:
    """The same name, if it may name a config namespace, document or scope (contract: config-18).

    Raises ValidationError if it is no text, blank, or contains a control character or a lone surrogate.
    """
    if not isinstance(name, str):
        raise ValidationError(f"a {what} is a text, not {shown(name)}")
    if not name.strip():
        raise ValidationError(f"{shown(name)} is no {what}: it is blank")
    for position, character in enumerate(name):
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValidationError(
                f"{shown(name)} is no {what}: character {position} is {shown(character)}; control characters and lone "
                "surrogates are not allowed"
            )
    return str.__str__(name)


def check_revision(expected: object) -> int:
    """The same number, if it can be a revision: an integer from 0 to 2^64-1; raises ValidationError."""
    if not isinstance(expected, int) or isinstance(expected, bool) or not 0 <= expected <= U64_MAX:
        raise ValidationError(f"{shown(expected)} is no revision: use an integer from 0 to {U64_MAX}")
    return int(expected)


def check_count(what: str, count: object) -> int:
    """The same number, if it is an integer that is not negative; raises ValidationError."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ValidationError(f"{shown(count)} is no {what}: use an integer from 0")
    return int(count)


def check_page_size(size: object) -> int:
    """The same number, if it is an integer from 1; raises ValidationError."""
    if (checked := check_count("page size", size)) == 0:
        raise ValidationError("0 is no page size: use an integer from 1")
    return checked


def check_cursor(after: object) -> int:
    """The same cursor, or the greatest one there is; raises ValidationError if it is not an integer from 0."""
    return min(check_count("cursor", after), U64_MAX)


def check_namespace(prefix: str, namespace: object) -> str:
    """A namespace as it is called outside the scope with this prefix; raises like `check_name`."""
    return prefix + check_name("config namespace", namespace)


def check_id(id: object) -> str:
    """The same id, if it may name a document; raises like `check_name`."""
    return check_name("config id", id)


def checked_namespaces(namespaces: Iterable[str]) -> list[str]:
    """The names of any iterable. Raises ValidationError if it is none, or a single text; and like `check_name`."""
    return [check_name("config namespace", name) for name in listed("namespaces", namespaces)]


def checked_writes(writes: Iterable[ConfigWrite]) -> list[ConfigWrite]:
    """The writes of any iterable. Raises ValidationError if it is none, or one of them is no write."""
    listed_writes = listed("writes", writes)
    for number, write in enumerate(listed_writes):
        if not isinstance(write, Put | PutIfAbsent | PutIfRevision | Delete | DeleteIfRevision):
            wanted = "Put, PutIfAbsent, PutIfRevision, Delete or DeleteIfRevision"
            raise ValidationError(f"writes[{number}] must be a {wanted}, not a value of type {type(write).__name__}")
    return listed_writes


def check_distinct(writes: Sequence[ConfigWrite]) -> None:
    """Raises ValidationError if two writes name the same document."""
    for (namespace, id), count in Counter((write.namespace, write.id) for write in writes).items():
        if count > 1:
            raise ValidationError(f"{count} writes name the document {document_name(namespace, id)}; make them one")


def scope_prefix(scope_id: object) -> str:
    """What stands in front of the namespaces of a scope; its length makes it unambiguous (contract: config-20).

    Raises ValidationError for a bad name, or one of more than 512 bytes.
    """
    scope = check_name("scope id", scope_id)
    size = len(scope.encode())
    if size > MAX_SCOPE_BYTES:
        raise ValidationError(f"the scope id {scope[:40]!r}... has {size} bytes; at most {MAX_SCOPE_BYTES} are allowed")
    return f"scope:{size}:{scope}:"


def document_name(namespace: str, id: str) -> str:
    """What errors call a document."""
    return f"{shortened(namespace)}/{shortened(id)}"


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
    return EncodedDocument(b"%d" % (extract_meta_revision(value) or 0), delimited(text))


def encode_write(prefix: str, write: ConfigWrite) -> EncodedWrite:
    """A write in the scope with this prefix. Raises like `check_name`, `encode_document` and `check_revision`."""
    namespace, id = check_namespace(prefix, write.namespace), check_id(write.id)
    document = None
    if not isinstance(write, Delete | DeleteIfRevision):
        document = encode_document(document_name(write.namespace, id), write.value)
    condition: Condition = "any"
    if isinstance(write, PutIfRevision | DeleteIfRevision):
        condition = check_revision(write.expected_revision)
    elif isinstance(write, PutIfAbsent):
        condition = "absent"
    return EncodedWrite(namespace, id, condition, document)


def refusal(write: ConfigWrite, actual: int) -> ConfigStoreError:
    """The error for a write whose condition does not hold; `actual` is the revision that is there, where one counts."""
    if isinstance(write, PutIfRevision | DeleteIfRevision):
        return VersionConflictError(write.expected_revision, actual, document_name(write.namespace, write.id))
    return AlreadyExistsError(write.namespace, write.id)


def decode_document(name: str, text: bytes | None) -> Any:
    """The value of a stored document; None means that its bytes are missing. Raises SerializationError naming it."""
    if text is None:
        raise SerializationError(f"config document {name} is listed, but its text is missing")
    try:
        return json.loads(undelimited(text).decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"the stored config document {name} cannot be read: {error}") from error


def decode_version(name: str, stored: bytes) -> ConfigVersion:
    """A version as lua/config/history gives it. Raises SerializationError naming the document."""
    revision, time, text = (*stored.split(b" ", 2), b"", b"")[:3]
    value = decode_document(name, text)
    try:
        return ConfigVersion(int(revision), moment(_time_in(time)), value)
    except (ValueError, OverflowError) as error:
        raise SerializationError(f"revision and time of config document {name} cannot be read: {error}") from error


def _time_in(digits: bytes) -> int:
    """The time of a version, which a line feed ends if it begins with 0, so that one that was cut short is noticed.

    Older releases wrote neither. Raises ValueError.
    """
    if digits.startswith(b"0") and not digits.endswith(b"\n"):
        raise ValueError(f"the time {digits!r} was cut short")
    return int(digits)


def encode_change(write: EncodedWrite) -> dict[bytes, bytes]:
    """A write that happened as an entry of the feed; lua/lib/config_writes makes the same ones."""
    kind = b"delete" if write.document is None else b"put"
    return {b"kind": kind, b"namespace": encode_namespace(write.namespace), b"id": write.id.encode()}


def decode_change(prefix: str, cursor: int, fields: Mapping[bytes, bytes]) -> ConfigChangeEvent | None:
    """An entry of the feed as the scope with this prefix sees it; None if it happened elsewhere.

    Raises SerializationError naming its cursor.
    """
    try:
        namespace: str = unpack(fields[b"namespace"])
        kind = ConfigChangeKind(fields[b"kind"].decode())
        event = ConfigChangeEvent(namespace=namespace, id=fields[b"id"].decode(), kind=kind)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"config change {cursor} cannot be read: {shown(error)}") from error
    if not event.namespace.startswith(prefix):
        return None
    return event.model_copy(update={"namespace": event.namespace.removeprefix(prefix)})


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
