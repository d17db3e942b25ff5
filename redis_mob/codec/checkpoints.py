"""Checkpoints as bytes: a field names execution, name and ordinal, its value has the digest and the JSON text.

They stand in the index of their run, which is not read with it, and goes with it in every release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from redis_mob.codec.arguments import instance, integer, text
from redis_mob.codec.executions import checked_key
from redis_mob.codec.ledgers import decode_json, stored_value
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.errors import SerializationError, ValidationError, shown
from redis_mob.models.base import U32_MAX
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
        raise ValidationError(f"ordinal must be an integer from 0 to {U32_MAX}, not {ordinal}")
    return _PREFIX + pack((*checked_key(key), text("name", name), ordinal))


def encode_checkpoint(key: ExecutionKey, checkpoint: Checkpoint) -> tuple[bytes, bytes]:
    """Field and record of a checkpoint. Raises ValidationError for another class, InternalError if it is unreadable."""
    checked = instance("checkpoint", checkpoint, Checkpoint)
    field = checkpoint_field(key, checked.name, checked.ordinal)
    what = f"checkpoint {shown(checked.name)}"
    return field, pack((text("arguments", checked.arguments), stored_value(what, checked.value)))


def decode_checkpoint(run_id: str, field: bytes, record: bytes) -> tuple[ExecutionKey, Checkpoint]:
    """Of which execution a checkpoint is, and itself. Raises SerializationError naming the run."""
    try:
        frame_id, node_id, target, name, ordinal = unpack(field[len(_PREFIX) :])
        arguments, value = unpack(record)
        found = Checkpoint(name=name, ordinal=ordinal, arguments=arguments, value=decode_json(value))
        return ExecutionKey(frame_id, node_id, target), found
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: a checkpoint cannot be read: {error}") from error


def by_execution(found: Iterable[tuple[ExecutionKey, Checkpoint]]) -> Mapping[ExecutionKey, Sequence[Checkpoint]]:
    """The checkpoints of each execution, by name and ordinal."""
    listed: dict[ExecutionKey, list[Checkpoint]] = {}
    for key, checkpoint in found:
        listed.setdefault(key, []).append(checkpoint)
    return {key: sorted(listed[key], key=lambda one: (one.name, one.ordinal)) for key in sorted(listed)}


def too_many_checkpoints(name: str) -> str:
    """What to say of a checkpoint for which there is no room."""
    return f"it has {MOST_CHECKPOINTS:,} records of steps and checkpoints, so that there is no room for {shown(name)}"
