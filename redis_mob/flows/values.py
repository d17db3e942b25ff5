"""What steps, loops, conditions and handlers are given in Python, checked where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import pydantic

from redis_mob.codec.arguments import LONGEST, valid_text
from redis_mob.errors import DefinitionError, ValidationError, shown
from redis_mob.models.base import Model
from redis_mob.models.documents import complaints
from redis_mob.models.storable import not_storable
from redis_mob.models.unknown_keys import tell_unknown, unknown_keys

M = TypeVar("M", bound=Model)

_MILLISECONDS = timedelta(milliseconds=1)


def name(what: str, value: object) -> str:
    """A text that can be stored. Raises DefinitionError for anything else."""
    try:
        return valid_text(what, value)
    except ValidationError as error:
        raise DefinitionError(str(error)) from None


def ids(what: str, value: object) -> tuple[str, ...]:
    """One id, or several. Raises DefinitionError for anything else."""
    return tuple(_id(what, one) for one in ([value] if isinstance(value, str) else _items(what, value)))


def texts(what: str, value: object) -> tuple[str, ...]:
    """A list of texts. Raises DefinitionError for anything else, also for one text."""
    items = listed(what, value, "texts")
    return tuple(name(f"{what}[{number}]", one) for number, one in enumerate(items))


def listed(what: str, value: object, of: str) -> list[Any]:
    """The items of any iterable. Raises DefinitionError for what is none, and for a text and a mapping."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise DefinitionError(f"{what} must be a list of {of}, not {shown(cast('object', value))}")
    return [*cast("Iterable[Any]", value)]


def model_of(what: str, kind: type[M], **fields: Any) -> M:
    """The model of these fields. Raises DefinitionError for values that do not fit, and keys that no model has."""
    try:
        made = kind.model_validate(fields)
    except pydantic.ValidationError as error:
        raise DefinitionError(f"{what}: {complaints(error, fields)}") from error
    try:
        tell_unknown(unknown_keys(made, fields), strict=True, tell=None)
    except DefinitionError as error:
        raise DefinitionError(f"{what}: {error}") from None
    if (problem := not_storable(made)) is not None:
        raise DefinitionError(f"{what}: {problem}")
    return made


def milliseconds(timeout: object) -> int:
    """A time out, in seconds or as a timedelta, rounded up. Raises ValueError, which says what is wrong with it."""
    try:
        seconds = timeout if isinstance(timeout, timedelta) else timedelta(seconds=cast("Any", timeout))
    except OverflowError:
        seconds = timedelta.max if cast("float", timeout) > 0 else timedelta()
    except (TypeError, ValueError):
        seconds = timedelta()
    if seconds <= timedelta() or isinstance(timeout, bool):
        raise ValueError(f"timeout must be more than 0 seconds, not {shown(timeout)}")
    if seconds > LONGEST:
        raise ValueError(
            f"timeout must be at most {LONGEST.total_seconds():.0f} seconds, a hundred years, not {shown(timeout)}"
        )
    return -(-seconds // _MILLISECONDS)


def _items(what: str, value: object) -> list[Any]:
    if _id_of(value) is not None:
        return [value]  # refused with its id
    return listed(what, value, "ids, or one id")


def _id(what: str, value: object) -> str:
    known = _id_of(value)
    if known is not None:
        raise DefinitionError(
            f"{what} must name steps and loops by their ids: write {shown(known)}, not {shown(value)}"
        )
    return name(what, value)


def _id_of(value: object) -> str | None:
    """The id of a step or loop that was given in its place."""
    known = getattr(value, "id", None)
    return known if isinstance(known, str) and not isinstance(value, str) else None
