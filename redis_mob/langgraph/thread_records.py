"""What is kept of a thread of LangGraph, as bytes; lua/lib/langgraph_threads says where each of them stands.

What users name becomes a member or a field, in front of it its length, so that no two names give the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from langgraph.checkpoint.serde.base import SerializerProtocol

from redis_mob.codec.counted_texts import counted, counted_at
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import SerializationError, shortened

Typed = tuple[str, bytes]
"""A value as a serializer of LangGraph gives it: what kind it is, and its bytes."""

NO_RUN = b"0" * 32


def loaded(serde: SerializerProtocol, what: str, stored: Typed) -> Any:
    """A value of a user again. Raises SerializationError naming what it is of."""
    try:
        return serde.loads_typed(stored)
    except Exception as error:  # a serializer raises what it likes
        raise SerializationError(
            f"{what} cannot be read by {type(serde).__name__}: {shortened(error)}; was it written with another one?"
        ) from error


def joined(texts: Sequence[bytes]) -> bytes:
    """Texts behind each other, each behind its length."""
    return b"".join(map(counted, texts))


def texts_in(data: bytes) -> Iterator[bytes]:
    """The texts that were joined. Raises SerializationError."""
    at = 0
    while at < len(data):
        text, at = _counted_at(data, at)
        yield text


def _counted_at(data: bytes, at: int) -> tuple[bytes, int]:
    return counted_at("a record of a thread", data, at)


def place_of(namespace: bytes, checkpoint_id: bytes) -> bytes:
    """Where a checkpoint stands: all of a namespace together, in the order of their ids."""
    return counted(namespace) + checkpoint_id


def namespace_and_id(place: bytes) -> tuple[str, str]:
    """Of which namespace the checkpoint at a place is, and its id. Raises SerializationError."""
    namespace, at = _counted_at(place, 0)
    try:
        return namespace.decode(), place[at:].decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the place of a checkpoint cannot be read: {error}") from None


def blob_field(namespace: bytes, channel: bytes, version: bytes) -> bytes:
    """The field of the blob that a channel has in a version."""
    return b"b" + counted(namespace) + counted(channel) + version


def channel_of_blob(field: bytes) -> str:
    """The channel whose blob a field is. Raises SerializationError."""
    _, at = _counted_at(field, 1)
    return _counted_at(field, at)[0].decode()


def write_field(place: bytes, task: bytes, index: int) -> bytes:
    """The field of a write on top of a checkpoint."""
    return b"w" + counted(place) + counted(task) + b"%d" % index


def encode_write(channel: bytes, task: str, path: str, value: Typed) -> bytes:
    """A write to a channel."""
    return counted(channel) + pack((task, path, *value))


def encode_typed(value: Typed) -> bytes:
    """A checkpoint, or a blob."""
    return pack(value)


def decode_typed(data: bytes) -> Typed:
    """The same again. Raises SerializationError."""
    kind, value = _unpacked(data)
    return kind, value


def encode_metadata(run: bytes, parent: bytes, metadata: Typed) -> bytes:
    """The metadata of a checkpoint, behind the digest of its run and the id of the one before it."""
    return run + counted(parent) + pack(metadata)


def decode_metadata(data: bytes) -> tuple[str, Typed]:
    """The id of the checkpoint before, empty for the first one, and the metadata. Raises SerializationError."""
    parent, at = _counted_at(data, len(NO_RUN))
    kind, value = _unpacked(data[at:])
    return parent.decode(), (kind, value)


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint that is to be kept: `references` are the fields of the blobs of all its channels, `blobs` those that
    are new."""

    place: bytes
    checkpoint: bytes
    metadata: bytes
    references: Sequence[bytes]
    run: bytes
    blobs: Mapping[bytes, bytes]


class StoredWrite(NamedTuple):
    """A write of a task: in the order of its fields but the last two, writes are to be applied."""

    path: str
    task: str
    number: int
    channel: str
    value: Typed


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it is stored: where, what, the blobs of its channels, and what was written on top of it."""

    place: bytes
    checkpoint: Typed
    parent: str
    metadata: Typed
    blobs: Mapping[str, Typed]
    writes: Sequence[StoredWrite]

    @classmethod
    def of(
        cls,
        place: bytes,
        checkpoint: bytes,
        metadata: bytes,
        references: bytes,
        blobs: Sequence[bytes | None],
        writes: Sequence[bytes],
    ) -> StoredCheckpoint:
        """A checkpoint from what langgraph/read_checkpoints answers. Raises SerializationError."""
        values = {
            channel_of_blob(field): decode_typed(blob)
            for field, blob in zip(texts_in(references), blobs, strict=True)
            if blob is not None
        }
        return cls(place, decode_typed(checkpoint), *decode_metadata(metadata), values, writes_in(writes))


def writes_in(fields_and_values: Sequence[bytes]) -> list[StoredWrite]:
    """Writes in the order in which they are to be applied. Raises SerializationError."""
    pairs = zip(fields_and_values[::2], fields_and_values[1::2], strict=True)
    return sorted((_write(field, value) for field, value in pairs), key=lambda one: one[:3])


def _write(field: bytes, data: bytes) -> StoredWrite:
    _, at = _counted_at(field, 1)
    _, at = _counted_at(field, at)
    channel, rest = _counted_at(data, 0)
    task, path, kind, value = _unpacked(data[rest:])
    return StoredWrite(path, task, int(field[at:]), channel.decode(), (kind, value))


def _unpacked(data: bytes) -> Any:
    try:
        return unpack(data)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"a record of a thread cannot be read: {shortened(error)}") from error
