"""Values of types that pydantic knows, as JSON and back: what handlers take and give, and what runs are read as."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticErrorCodes
from pydantic_core import to_json

from redis_mob.errors import shortened

T = TypeVar("T")

_MOST_TOLD = 5
"""Problems of one value that a message tells; the others are counted."""

_MOST_REMEMBERED = 256

_WITH_CONFIG_OF_ITS_OWN: PydanticErrorCodes = "type-adapter-config-unused"

_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


def adapter_of(kind: type[T] | Any) -> TypeAdapter[T]:
    """What reads and dumps values of a type; it is made once for each type.

    Bytes are base64; within a model, a dataclass or a TypedDict they are what the class's own config says, which is
    UTF-8 unless it says otherwise. Raises pydantic's errors, among others, for what is no type that pydantic knows.
    """
    try:
        return cast("TypeAdapter[T]", _remembered(kind))
    except TypeError:  # what cannot be hashed, as Annotated[int, [1]]
        return cast("TypeAdapter[T]", _made(kind))


def _made(kind: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(kind, config=_CONFIG)
    except PydanticUserError as error:
        if error.code != _WITH_CONFIG_OF_ITS_OWN:
            raise
        return TypeAdapter(kind)


# typed: list[int] and List[int] are equal, as Literal[1] and Literal[True] are, which are not the same
_remembered = lru_cache(maxsize=_MOST_REMEMBERED, typed=True)(_made)


def read_json(adapter: TypeAdapter[T], value: Any) -> T:
    """The typed value that a JSON value holds, in pydantic's lax mode for JSON; fields go by their names or aliases.

    Raises ValueError with each path that is wrong, but not with the value, which may be secret.
    """
    try:
        # As JSON text: only so do strict models take what JSON has no type for, such as times and sets.
        return adapter.validate_json(to_json(value), by_alias=True, by_name=True)
    except ValidationError as error:
        raise ValueError(complaints_at_paths(error)) from error


def complaints_at_paths(error: ValidationError) -> str:
    """`$.path[0]: what is wrong`, joined by semicolons, without the rejected values."""
    all = error.errors(include_url=False, include_context=False, include_input=False)
    told = [
        f"{shortened(json_path(one['loc']))}: {shortened(one['msg'].removeprefix('Value error, '))}"
        for one in all[:_MOST_TOLD]
    ]
    return "; ".join([*told, *([f"and {len(all) - _MOST_TOLD} more"] if len(all) > _MOST_TOLD else [])])


def json_path(location: tuple[int | str, ...]) -> str:
    """`$` for the value itself, `$.items[0].name` for a part of it."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def type_name(kind: Any) -> str:
    """How a type is written, for a message."""
    return shortened(kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", None) else kind)
