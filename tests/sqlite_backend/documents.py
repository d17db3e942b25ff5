"""Models as the JSON documents that rows hold."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from redis_mob.errors import InternalError, SerializationError
from redis_mob.models.base import Model
from redis_mob.models.problems import problems

M = TypeVar("M", bound=Model)


def encode(what: str, document: Model) -> bytes:
    """The JSON of a document. Raises InternalError saying what it is if JSON cannot hold it."""
    try:
        return document.model_dump_json().encode()
    except ValueError as error:
        raise InternalError(f"{what} cannot be stored: {error}") from None


def decode(what: str, model: type[M], text: bytes) -> M:
    """The document in a row. Raises SerializationError saying what it is and which field is damaged."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise SerializationError(f"{what}: {problems(error)}") from None
