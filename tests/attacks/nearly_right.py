"""Values that are nearly what an argument wants: of a similar type, at a limit, or made without validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from redis_mob.models import FrameSnapshot, LoopSnapshot
from redis_mob.models.base import Model
from redis_mob.testing.samples.states import NOON


class Odd(NamedTuple):
    """A value, what tests call it, and whether every store must refuse it as one of another type."""

    label: str
    value: Any
    refused: bool


class Index:
    """Looks like an integer to many libraries, as the integers of numpy do."""

    def __index__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "Index()"


class Thing:
    """Nothing that anything could be made of."""

    def __repr__(self) -> str:
        return "Thing()"


class Unprintable:
    """A value whose repr fails."""

    def __repr__(self) -> str:
        raise ValueError("no repr")


class Text(str):
    """A text of another class."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        raise AssertionError("the text itself counts, not what a subclass makes of it")


class Color(StrEnum):
    RED = "red"


def circle() -> list[Any]:
    """A list that contains itself."""
    items: list[Any] = []
    items.append(items)
    return items


def deep(levels: int = 10_000) -> list[Any]:
    """Lists in lists."""
    items: list[Any] = []
    for _ in range(levels):
        items = [items]
    return items


NUMBERS: Mapping[str, Any] = {
    "true": True,
    "one": 1,
    "minus one": -1,
    "2^31": 2**31,
    "2^53": 2**53,
    "2^63": 2**63,
    "2^64": 2**64,
    "more digits than int() reads": 10**5000,
}

THINGS: Mapping[str, Any] = {
    "none": None,
    "float": 1.0,
    "nan": float("nan"),
    "infinity": float("inf"),
    "decimal": Decimal(1),
    "index": Index(),
    "bytes": b"a",
    "bytearray": bytearray(b"a"),
    "list": ["a"],
    "tuple": ("a", 1),
    "set": {1},
    "dict": {"a": 1},
    "deep list": deep(),
    "list in itself": circle(),
    "class": Thing,
    "thing": Thing(),
    "unprintable": Unprintable(),
    "timedelta": timedelta(days=1),
    "naive datetime": datetime(2026, 1, 1),  # noqa: DTZ001
}

TEXTS: Mapping[str, Any] = {
    "empty": "",
    "digit": "1",
    "lone surrogate": "\ud800",
    "zero byte": "a\0b",
    "long": "x" * 100_000,
    "text of another class": Text("mob"),
    "enum": Color.RED,
}

UUIDS: Mapping[str, Any] = {"uuid": UUID(int=7)}

NO_JSON: Mapping[str, Any] = {
    name: value for name, value in THINGS.items() if name not in ("none", "float", "list", "tuple", "dict")
} | {
    "lone surrogate": "\ud800",
    "key that is no text": {"a": [{1: 2}]},
    "set in a list": [{1}],
    "nan in a list": [float("nan")],
    "more digits than int() reads": 10**5000,
}

OUT_OF_FIELDS = (
    *(None, True, 1.0, -1, 2**70, "\ud800", "bogus", b"a", float("nan")),
    *(["a"], {"a": 1.0}, {1}, Thing(), circle()),
)
"""What the fields of a model are set to, past its validation."""


def odd_values(right: Any, *, json: bool) -> Iterator[Odd]:
    """What is given in the place of this value; any JSON value is right if it is to be `json`."""
    if json:
        yield from (Odd(label, value, True) for label, value in NO_JSON.items())
        yield from (Odd(label, value, False) for label, value in {**NUMBERS, **TEXTS}.items() if label not in NO_JSON)
        return
    kind = right.__class__
    flag, text = isinstance(right, bool), isinstance(right, str)
    number = isinstance(right, int) and not flag
    for label, value in THINGS.items():
        fits = value is None or isinstance(value, kind) or isinstance(right, list | tuple | Mapping)
        yield Odd(label, value, not fits)
    yield from (Odd(label, value, not (flag if value is True else number)) for label, value in NUMBERS.items())
    yield from (Odd(label, value, not text) for label, value in TEXTS.items())
    yield from (Odd(label, value, not text) for label, value in UUIDS.items())
    if isinstance(right, datetime):
        yield Odd("first moment far in the east", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), False)
        yield Odd("last moment far in the west", datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))), False)
    if isinstance(right, timedelta):
        yield from (Odd(str(value), value, False) for value in (timedelta.max, timedelta.min, timedelta(0)))
    if isinstance(right, Model):
        yield Odd("its fields as a dict", dict(right), True)
        yield Odd("its JSON", right.model_dump_json(), True)
        yield Odd("made of nothing", type(right).model_construct(), False)
    if isinstance(right, list | tuple) and right:
        items: list[Any] = [*right]
        yield Odd("its first item", items[0], False)
        yield Odd("items of another kind", [*items, None], False)
        yield Odd("items twice", [*items, *items], False)
        yield Odd("an iterable", Items(items), False)


class Items:
    """Can be read, and is neither a list nor a tuple."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __repr__(self) -> str:
        return "Items()"


def unvalidated(right: Model) -> Iterator[tuple[str, Model]]:
    """The model with each of its fields set to something else, or left out, past its validation."""
    if isinstance(right, FrameSnapshot | LoopSnapshot):
        for label, state in unvalidated(right.kernel_state):
            yield label, right.model_copy(update={"kernel_state": state})
        return
    for field in type(right).model_fields:
        rest = {name: value for name, value in dict(right).items() if name != field}
        yield f"no {field}", type(right).model_construct(**rest)
        for value in OUT_OF_FIELDS:
            yield f"{field} is a {type(value).__name__}", right.model_copy(update={field: value})
        if isinstance(getattr(right, field), datetime):
            yield f"{field} has no zone", right.model_copy(update={field: NOON.replace(tzinfo=None)})
            far = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
            yield f"{field} lies before the year 1", right.model_copy(update={field: far})
