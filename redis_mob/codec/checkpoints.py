"""Checkpoints as bytes: a field names execution, name and ordinal, its value has the digest and the JSON text.

They stand in the index of their run, which is not read with it, and goes with it in every release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from redis_mob.codec.arguments import instance, integer, text
from redis_mob.codec.executions import checked_key
from redis_mob.codec.ledgers import decode_json, stored_value
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.codec.payloads import Payload, payload
from redis_mob.errors import SerializationError, ValidationError, shortened, shown
from redis_mob.models.ask import Answer
from redis_mob.models.base import U32_MAX, json_text
from redis_mob.models.checkpoint import MOST_CHECKPOINTS, Checkpoint
from redis_mob.models.execution import ExecutionKey

_PREFIX = b"o"

PATTERN = _PREFIX + b"*"
"""Glob: the fields of all checkpoints of a run in its index."""


def checkpoint_field(key: ExecutionKey, name: str, ordinal: int) -> bytes:
    """The field of a checkpoint in the index of its run.

    Raises ValidationError for what names none, InternalError for what is no UTF-8.
    """
    if integer("ordinal", ordinal, least=0) > U32_MAX:
        raise ValidationError(f"ordinal must be an integer from 0 to {U32_MAX}, not {shown(ordinal)}")
    return _PREFIX + pack((*checked_key(key), text("name", name), ordinal))


def encode_checkpoint(key: ExecutionKey, checkpoint: Checkpoint) -> tuple[bytes, Payload]:
    """Field and record of a checkpoint. Raises ValidationError for another class, InternalError if it is unreadable."""
    checked = instance("checkpoint", checkpoint, Checkpoint)
    return checkpoint_field(key, checked.name, checked.ordinal), encode_result(checked)


def encode_result(checkpoint: Checkpoint) -> Payload:
    """What a checkpoint holds: the digest of its arguments, and its value. Raises InternalError if it is unreadable."""
    what = f"checkpoint {shown(checkpoint.name)}"
    arguments, value = text("arguments", checkpoint.arguments), stored_value(what, checkpoint.value)
    return payload(pack((arguments, value)), pack((arguments, value.whole)))


def result_field(name: str, ordinal: int) -> bytes:
    """The field of a checkpoint that belongs to no execution, among those of its run."""
    return _PREFIX + pack((text("name", name), ordinal))


def decode_result(name: str, ordinal: int, record: bytes) -> Checkpoint:
    """The same checkpoint again. Raises SerializationError."""
    try:
        arguments, value = unpack(record)
        return Checkpoint(name=name, ordinal=ordinal, arguments=arguments, value=decode_json(value))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"the checkpoint {shown(name)} cannot be read: {error}") from error


def decode_checkpoint(run_id: str, field: bytes, record: bytes) -> tuple[ExecutionKey, Checkpoint]:
    """Of which execution a checkpoint is, and itself. Raises SerializationError naming the run."""
    try:
        frame_id, node_id, target, name, ordinal = unpack(field[len(_PREFIX) :])
        arguments, value = unpack(record)
        found = Checkpoint(name=name, ordinal=ordinal, arguments=arguments, value=decode_json(value))
        return ExecutionKey(frame_id, node_id, target), found
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: a checkpoint cannot be read: {error}") from error


def digest_of(arguments: Any) -> str:
    """What calls of one name are told apart by: a digest of what they are made with, which is plain JSON."""
    return blake2b(json_text(arguments, sort_keys=True).encode(), digest_size=16).hexdigest()


_ASK = "\0ask:"
"""What the name of a checkpoint begins with that holds an answer; no call of a handler may have such a name."""

ANY_ARGUMENTS = "*"
"""Stands for any digest, in what a test answers beforehand."""

_TIMED_OUT = "timed out"


def is_reserved(name: str) -> bool:
    """Whether a name of a checkpoint is one of the engine's."""
    return name.startswith("\0")


def ask_name(kind: str) -> str:
    """The name of the checkpoints that hold the answers to asks of a kind."""
    return _ASK + kind


def asked_kind(checkpoint: Checkpoint) -> str | None:
    """The kind of ask whose answer a checkpoint holds; None if it holds none."""
    return checkpoint.name[len(_ASK) :] if checkpoint.name.startswith(_ASK) else None


def answered_checkpoint(kind: str, ordinal: int, digest: str, answer: Answer | None) -> Checkpoint:
    """The checkpoint of an answer, or of None: that its time is over."""
    value = _TIMED_OUT if answer is None else answer.model_dump(mode="json")
    return Checkpoint(name=ask_name(kind), ordinal=ordinal, arguments=digest, value=value)


def answer_of(checkpoint: Checkpoint) -> Answer | None:
    """The answer that a checkpoint holds, None if the time is over. Raises SerializationError."""
    if checkpoint.value == _TIMED_OUT:
        return None
    try:
        return Answer.model_validate(checkpoint.value)
    except ValueError as error:
        raise SerializationError(f"the answer {shown(checkpoint.name)} cannot be read: {shortened(error)}") from error


def by_execution(found: Iterable[tuple[ExecutionKey, Checkpoint]]) -> Mapping[ExecutionKey, Sequence[Checkpoint]]:
    """The checkpoints of each execution, by name and ordinal."""
    listed: dict[ExecutionKey, list[Checkpoint]] = {}
    for key, checkpoint in found:
        listed.setdefault(key, []).append(checkpoint)
    return {key: sorted(listed[key], key=lambda one: (one.name, one.ordinal)) for key in sorted(listed)}


def too_many_checkpoints(name: str) -> str:
    """What to say of a checkpoint for which there is no room."""
    return f"it has {MOST_CHECKPOINTS:,} records of steps and checkpoints, so that there is no room for {shown(name)}"
