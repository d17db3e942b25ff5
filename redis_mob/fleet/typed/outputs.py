"""What handlers and callers give, as JSON: by an annotation, or by the type that a value has (contract: engine-52).

Nothing of a value runs code of its class later: it is copied here, where it was given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Container, Iterator
from dataclasses import dataclass, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from redis_mob.errors import MOST_OF_PATH, shortened, shown
from redis_mob.models.base import check_json
from redis_mob.models.typed_values import adapter_of, complaints_at_paths, json_path, type_name

_HINT = "give JSON, or what pydantic dumps as JSON, such as a model, a dataclass, a datetime, a UUID, a set"
_NUMBER_HINT = "JSON has no such number; give None or a text instead"
_BYTES_HINT = (
    "bytes in a class are dumped as UTF-8, unless its model_config has ser_json_bytes='base64' and "
    "val_json_bytes='base64'"
)
_MOST_REMEMBERED = 256

_items = dict[Any, Any].items
_values = dict[Any, Any].values


class _NotJsonError(ValueError):
    """A part of a value cannot be dumped; containers put the way to it in front, from the inside to the outside."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: tuple[int | str, ...] = ()

    def within(self, part: int | str) -> _NotJsonError:
        self.path = (part, *self.path)
        return self

    def __str__(self) -> str:
        return f"{shortened(json_path(self.path), MOST_OF_PATH)}: {self.args[0]}"


@dataclass(frozen=True, slots=True)
class DeclaredOutput:
    """The type that a handler says it returns."""

    kind: Any
    adapter: TypeAdapter[Any]

    def checked(self, value: Any) -> Any:
        """The value as one of the type. Raises ValueError naming each path that is wrong."""
        try:
            return self.adapter.validate_python(value, by_alias=True, by_name=True)
        except ValidationError as error:
            raise ValueError(
                f"{complaints_at_paths(error)}; the handler says that it returns {type_name(self.kind)}: return one, "
                "or change the annotation"
            ) from error


def output_json(value: Any, depth: int, declared: DeclaredOutput | None = None) -> Any:
    """A copy of the value that is JSON of Python's own types, at most so many levels deep.

    Of lists, tuples, dicts, texts and numbers no method is called that a subclass has overridden. Raises ValueError
    naming the path and what to do; and anything at all that code of the value raises when it is looked at.
    """
    try:
        if declared is not None:
            value = declared.checked(value)
            value = _dumped(declared.adapter, value, depth)
        value = _plain(value, depth)
    except RecursionError:
        raise ValueError(f"$: nested deeper than {depth} levels") from None
    return check_json(value, depth)


def _plain(value: Any, depth: int) -> Any:
    if depth < 0 or value is None or value is True or value is False:
        return value  # what lies deeper is refused by `check_json`
    if isinstance(value, list | tuple):
        kind: Any = list if isinstance(value, list) else tuple
        return _plain_items(kind.__iter__(value), depth)
    if isinstance(value, dict):
        return _plain_dict(cast("dict[Any, Any]", value), depth)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        number = float.__float__(value)
        if not isfinite(number):
            raise _refusal(number)
        return number
    return _plain_object(value, depth)


def _plain_items(items: Iterator[Any], depth: int) -> list[Any]:
    plain: list[Any] = []
    try:
        for item in items:
            plain.append(_plain(item, depth - 1))  # noqa: PERF401 - the length says where it failed
    except _NotJsonError as error:
        raise error.within(len(plain)) from error.__cause__
    return plain


def _plain_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in _items(value):
        name = str.__str__(key) if isinstance(key, str) else _plain_key(key)
        if name in plain:
            raise _NotJsonError(f"two of its keys are {shown(name)} as JSON")
        try:
            plain[name] = _plain(item, depth - 1)
        except _NotJsonError as error:
            raise error.within(name) from error.__cause__
    return plain


def _plain_key(key: Any) -> str:
    if key is None or isinstance(key, list | tuple | dict | set | frozenset):
        raise _bad_key(key)
    _check_number_as_key(key)
    try:
        [name] = to_jsonable_python({key: None}, bytes_mode="base64")
    except ValueError as error:
        raise _bad_key(key) from error
    return str.__str__(name)


def _check_number_as_key(key: Any) -> None:
    """Raise _NotJsonError for a NaN or an infinity, which pydantic dumps as a text when it is a key."""
    number = key.value if isinstance(key, Enum) else key
    if (isinstance(number, float) and not isfinite(number)) or (isinstance(number, Decimal) and not number.is_finite()):
        raise _NotJsonError(f"the key {number} is no JSON number; give a text instead")


def _bad_key(key: Any) -> _NotJsonError:
    return _NotJsonError(
        f"the key {shown(key)} is no text; keys are texts, numbers, times, UUIDs or members of an Enum"
    )


def _plain_object(value: Any, depth: int) -> Any:
    """What is no JSON as pydantic dumps it; models and dataclasses by their own serializers, aliases not used."""
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if isinstance(value, set | frozenset | deque):
        return _plain_items(iter(cast("set[Any]", value)), depth)
    if isinstance(value, Iterator | AsyncIterator) or (isinstance(value, Decimal) and not value.is_finite()):
        raise _refusal(value)
    adapter = None
    if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        adapter = _adapter_at_run_time(type(value))
    return _plain(_dumped(adapter, value, depth), depth)


@lru_cache(maxsize=_MOST_REMEMBERED)
def _adapter_at_run_time(kind: type[Any]) -> TypeAdapter[Any] | None:
    """None for a dataclass with fields of types that pydantic does not know; their values may be JSON all the same."""
    try:
        return adapter_of(kind)
    except Exception:  # noqa: BLE001 - making a schema runs hooks of the class
        return None


def _dumped(adapter: TypeAdapter[Any] | None, value: Any, depth: int) -> Any:
    """What pydantic makes of a value: JSON, but for numbers that are none. Raises _NotJsonError."""
    try:
        if adapter is None:
            return to_jsonable_python(value, by_alias=False, bytes_mode="base64")
        dumped = adapter.dump_python(value, mode="json", by_alias=False, warnings="error")
    except ValueError as error:
        _find_within(value, depth)
        raise _refusal(value, error) from error
    _refuse_lost_numbers(value, dumped)
    return dumped


def _refuse_lost_numbers(value: Any, dumped: Any) -> None:
    """Raise _NotJsonError for a NaN or an infinity that was dumped as null, as pydantic does in fields of type Any."""
    if dumped is None and isinstance(value, float):
        raise _refusal(value)
    if isinstance(value, dict) and isinstance(dumped, dict):
        for key in dict[Any, Any].keys(cast("dict[Any, Any]", value)):
            _check_number_as_key(key)
    for part, was, item in _pairs(value, dumped):
        try:
            _refuse_lost_numbers(was, item)
        except _NotJsonError as error:
            raise error.within(part) from None


def _pairs(value: Any, dumped: Any) -> Iterator[tuple[int | str, Any, Any]]:
    """The parts of a value beside what they were dumped as, and where they are."""
    if isinstance(dumped, list) and isinstance(value, list | tuple):
        both = zip(cast("list[Any]", value), cast("list[Any]", dumped), strict=False)
        yield from ((number, was, item) for number, (was, item) in enumerate(both))
    elif isinstance(dumped, dict):
        items = cast("dict[str, Any]", dumped).items()
        if isinstance(value, dict):
            parts = zip(items, _values(cast("dict[Any, Any]", value)), strict=False)
            yield from ((key, was, item) for (key, item), was in parts)
        else:
            # what a serializer of the class makes null was meant to be
            meant = _serialized_by_class(value)
            yield from ((key, getattr(value, key, None), item) for key, item in items if key not in meant)


def _serialized_by_class(value: Any) -> Container[str]:
    decorators: Any = getattr(cast("Any", type(value)), "__pydantic_decorators__", None)
    if decorators is None:
        return ()
    fields: set[str] = {name for one in decorators.field_serializers.values() for name in one.info.fields}
    return cast("dict[str, Any]", vars(value)) if "*" in fields or decorators.model_serializers else fields


def _find_within(value: Any, depth: int) -> None:
    """Raise the _NotJsonError of the first part of a model, dataclass or container that cannot be dumped, if any."""
    if depth < 0:
        return
    if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        names = type(value).model_fields if isinstance(value, BaseModel) else value.__dataclass_fields__
        for name in names:
            try:
                _plain(getattr(value, name, None), depth - 1)
            except _NotJsonError as error:
                raise error.within(name) from error.__cause__
    elif isinstance(value, list | tuple | dict):
        _plain(value, depth)


def _refusal(value: Any, error: ValueError | None = None) -> _NotJsonError:
    if isinstance(value, Decimal | float):
        return _NotJsonError(f"{value} is no JSON number; {_NUMBER_HINT}")
    kind = type.__dict__["__name__"].__get__(type(value))  # a metaclass may hide the name
    if isinstance(error, UnicodeDecodeError):
        return _NotJsonError(f"a {kind} holds bytes that are no UTF-8; {_BYTES_HINT}")
    said = "" if error is None or "unknown type" in str(error) else f" ({shortened(error)})"
    hint = "make a list of it" if isinstance(value, Iterator | AsyncIterator) else _HINT
    return _NotJsonError(f"a value of type {shortened(kind)} is no JSON{said}; {hint}")
