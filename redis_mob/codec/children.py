"""What a run knows of its parent, and what its parent is told of it, as bytes."""

from __future__ import annotations

import pydantic

from redis_mob.codec.arguments import instance, storable_json
from redis_mob.codec.executions import execution_field
from redis_mob.codec.packing import pack
from redis_mob.errors import SerializationError
from redis_mob.models.subflow import ParentRun


def encode_parent(parent: ParentRun) -> bytes:
    """What a run knows of its parent. Raises ValidationError for another class, InternalError if it is unreadable."""
    checked = instance("parent", parent, ParentRun)
    record = storable_json(
        "the parent", lambda: checked.model_dump_json(warnings="error").encode(), ParentRun.model_validate_json
    )
    execution_field(checked.key)
    return record


def decode_parent(run_id: str, data: bytes | None) -> ParentRun | None:
    """The parent of a run, None if it has none. Raises SerializationError naming the run."""
    if data is None:
        return None
    try:
        return ParentRun.model_validate_json(data)
    except pydantic.ValidationError as error:
        raise SerializationError(f"run {run_id}: its parent cannot be read: {error}") from error


def told_field(child_id: str) -> bytes:
    """The field of the index of a run that says that it was told of the end of this child."""
    return b"k" + pack((child_id,))
