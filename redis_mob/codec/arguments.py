"""What the stores take as arguments: every backend checks them here, before it reads or writes anything.

An argument of another type than its signature says raises ValidationError, and so does a number outside of its range.
One of the right type whose content cannot be stored, as a text with a lone surrogate, raises InternalError. Both name
the argument and say what is wanted (contract: store-23).

These checks run in every call, so they look at types alone. The contents of a container are checked by the codec that
walks it anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from redis_mob import errors
from redis_mob.errors import InternalError, shortened, shown
from redis_mob.models.base import U64_MAX
from redis_mob.models.problems import problems

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_FIELD = re.compile(r"field_name='([^']*)'")

LONGEST = timedelta(days=36_500)
"""The longest duration that is accepted, a hundred years: the present moment plus it is still a valid datetime."""

REFUSALS = (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)
"""What writing a value as JSON may raise if it holds what its model would have refused."""


def text(name: str, value: object) -> str:
    """A text that can be stored. A subclass of str counts as the text that it holds."""
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    plain = value if type(value) is str else str.__str__(value)
    if not plain.isascii():
        try:
            plain.encode()
        except UnicodeEncodeError as error:
            raise InternalError(f"{name} {shown(plain)} cannot be stored: {error.reason}") from None
    return plain


def optional_text(name: str, value: object) -> str | None:
    """A text as `text` takes it, or None."""
    return None if value is None else text(name, value)


def valid_text(name: str, value: object) -> str:
    """A text as `text` takes it. Raises ValidationError for one that cannot be stored, too: it is a name, or an option,
    that a caller chose, and no content."""
    try:
        return text(name, value)
    except InternalError as error:
        problem = str(error)
    raise errors.ValidationError(f"{problem}; give it without lone surrogates")


def optional_valid_text(name: str, value: object) -> str | None:
    """A text as `valid_text` takes it, or None."""
    return None if value is None else valid_text(name, value)


def integer(name: str, value: object, least: int | None = None) -> int:
    """An integer of any size, at least `least` if that is given. True is no integer, and neither is 1.0."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "an integer", value)
    if least is not None and value < least:
        raise _wrong(name, f"an integer from {least}", value)
    return int(value)


def optional_integer(name: str, value: object) -> int | None:
    """An integer as `integer` takes it, or None."""
    return None if value is None else integer(name, value)


def optional_cursor(name: str, value: object) -> int | None:
    """A cursor to go on after, or None. No event ever has a greater one than 2**64 - 1; one below 0 is before all."""
    if (cursor := optional_integer(name, value)) is not None and cursor > U64_MAX:
        raise _wrong(name, f"an integer up to {U64_MAX}", value)
    return cursor


def flag(name: str, value: object) -> bool:
    """True or False; 1 and 0 are none."""
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def moment(name: str, value: object) -> datetime:
    """A datetime with a zone. Raises InternalError for one without: no other clock says which moment it means."""
    if not isinstance(value, datetime):
        raise _wrong(name, "a datetime", value)
    if value.utcoffset() is None:
        raise InternalError(f"{name} must be a time with a zone, not {value.isoformat()}")
    return value


def duration(name: str, value: object) -> timedelta:
    """A timedelta from 0 to a hundred years: added to the present moment it gives a time that there is."""
    if not isinstance(value, timedelta):
        raise _wrong(name, "a timedelta", value)
    if not timedelta() <= value <= LONGEST:
        raise _wrong(name, f"a timedelta from 0 to {LONGEST.days} days", value)
    return value


def time_to_live(ttl: object) -> int | None:
    """How long something stays after its last write, in milliseconds; None for ever. Raises ValidationError."""
    if ttl is None:
        return None
    if not isinstance(ttl, timedelta) or not timedelta(seconds=1) <= ttl <= LONGEST:
        raise errors.ValidationError(
            f"ttl must be a timedelta from a second to a hundred years, or None, not {errors.shown(ttl)}"
        )
    return ttl // timedelta(milliseconds=1)


def member(name: str, value: object, kind: type[E]) -> E:
    """A member of an enumeration; its text counts as the member."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value in kind.__members__.values():
        return kind(value)
    raise _wrong(name, "one of " + ", ".join(map(str, kind)), value)


def function(name: str, value: T) -> T:
    """The same value, if it can be called. Raises ValidationError naming the argument."""
    if not callable(value) or isinstance(value, type):
        raise _wrong(name, "a function", value)
    return value


def instance(name: str, value: object, kind: type[T]) -> T:
    """A value of this class. The message shows the type of another one alone: it may hold a secret."""
    if not isinstance(value, kind):
        given = type(value)
        # the stores with and without async have the same names
        of_type = given.__name__ if given.__name__ != kind.__name__ else f"{given.__module__}.{given.__name__}"
        raise errors.ValidationError(f"{name} must be a {kind.__name__}, not a value of type {of_type}")
    return value


def optional_instance(name: str, value: object, kind: type[T]) -> T | None:
    """A value of this class, or None."""
    return None if value is None else instance(name, value, kind)


def listed(name: str, values: object) -> list[Any]:
    """The items of any iterable, which is read once. A text and a mapping are refused: each is one value, not many."""
    kind = type(values)
    if kind is tuple or kind is list:  # mostly
        return [*cast("Iterable[Any]", values)]
    if isinstance(values, str | bytes | bytearray | Mapping | BaseModel) or not isinstance(values, Iterable):
        raise errors.ValidationError(f"{name} must be a list, not a value of type {kind.__name__}")
    return [*cast("Iterable[Any]", values)]


def texts(name: str, values: object) -> list[str]:
    """The items of any iterable, which are all texts that can be stored."""
    return [text(f"{name}[{number}]", value) for number, value in enumerate(listed(name, values))]


def integers(name: str, values: object) -> frozenset[int]:
    """The items of any iterable, which are all integers."""
    return frozenset(integer(f"{name}[{number}]", value) for number, value in enumerate(listed(name, values)))


def storable(what: str | Callable[[], str], encode: Callable[[], T]) -> T:
    """What `encode` makes of a model. Raises InternalError if the model holds what it would have refused when built.

    A model checks its fields when it is validated, but `model_construct` and `model_copy` put in what they are given.
    The message says what it is and which field is wrong, without the value: it may be secret.
    """
    try:
        return encode()
    except ValidationError as error:
        problem = problems(error)
    except (errors.ValidationError, *REFUSALS) as error:
        problem = _told(error)
    # Raised here and not above, so that the error has no context: a ValidationError knows the values it refused.
    raise InternalError(f"{what if isinstance(what, str) else what()} cannot be stored: {problem}")


def storable_json(what: str, write: Callable[[], T], read: Callable[[T], object], *, is_vouched: bool = False) -> T:
    """The JSON that `write` gives, after `read` has shown that it can be read back. Raises like `storable`.

    It is not read if the value is vouched for: then it was made of values that were checked.
    """

    def encode() -> T:
        written = write()
        if not is_vouched:
            read(written)
        return written

    return storable(what, encode)


def _told(error: Exception) -> str:
    """What is wrong, without a value: the complaints of pydantic's serializer quote the values of the fields."""
    if isinstance(error, UnicodeEncodeError):
        return error.reason
    if isinstance(error, PydanticSerializationError) and (fields := _FIELD.findall(str(error))):
        return "; ".join(f"{field}: its value is of another type" for field in dict.fromkeys(fields))
    return shortened(error)


def _wrong(name: str, wanted: str, value: object) -> errors.ValidationError:
    return errors.ValidationError(f"{name} must be {wanted}, not {shown(value)}")
