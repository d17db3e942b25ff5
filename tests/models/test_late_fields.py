"""A model with late fields is the same value as one that has all of them, and reads only what is asked for."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter

from redis_mob.models.base import Items, Model
from redis_mob.models.late_fields import LateFields


class Record(LateFields):
    name: str
    first: int
    rows: Items[int] = ()
    last: str = "z"


class Shelf(Model):
    records: Items[Record]


WHOLE = Record(name="a", first=1, rows=(1, 2))


class Readers:
    """Give the late fields of a record, and count how often each was read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def record(self) -> Record:
        late = {"first": partial(self._give, "first", 1), "rows": partial(self._give, "rows", (1, 2))}
        return Record.with_late_fields(late, name="a")

    def _give(self, name: str, value: Any) -> Any:
        self.read.append(name)
        return value


def test_only_what_is_asked_for_is_read_and_once() -> None:
    readers = Readers()
    record = readers.record()
    assert (record.name, record.last, readers.read) == ("a", "z", [])
    assert (record.rows, record.rows, readers.read) == ((1, 2), (1, 2), ["rows"])


USES: dict[str, Callable[[Record], Any]] = {
    "compared": lambda record: record == WHOLE and record == WHOLE,
    "hashed": hash,
    "shown": repr,
    "written as JSON": lambda record: record.model_dump_json(),
    "written": lambda record: record.model_dump(),
    "written by an adapter": lambda record: TypeAdapter(list[Record]).dump_json([record]),
    "written within another model": lambda record: Shelf.model_construct(records=(record,)).model_dump_json(),
    "iterated": list,
    "copied": lambda record: record.model_copy(),
    "copied deeply": lambda record: record.model_copy(deep=True),
    "copied by copy": copy.copy,
    "copied by deepcopy": copy.deepcopy,
    "pickled": lambda record: pickle.loads(pickle.dumps(record)),  # noqa: S301
    "changed": lambda record: record.model_copy(update={"last": "y"}),
    "changed in a late field": lambda record: record.model_copy(update={"first": 2}),
    "validated": lambda record: Shelf(records=(record,)),
}


@pytest.mark.parametrize("use", USES)
def test_it_is_the_same_value_as_a_whole_one(use: str) -> None:
    assert USES[use](Readers().record()) == USES[use](WHOLE)


def test_copies_read_what_was_not_read_before() -> None:
    copied = Readers().record().model_copy(update={"last": "y"})
    assert (copied.first, copied.rows, copied.last) == (1, (1, 2), "y")


def test_an_attribute_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = Readers().record().other  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = WHOLE.other  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def test_what_reading_raises_is_raised_each_time_it_is_asked_for() -> None:
    def damaged() -> int:
        raise ValueError("damaged")

    record = Record.with_late_fields({"first": damaged}, name="a")
    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            _ = record.first
    assert record.name == "a"


def test_the_schema_is_that_of_a_model_without_late_fields() -> None:
    class Plain(Model):
        name: str
        first: int

    class Late(LateFields):
        name: str
        first: int

    for mode in ("validation", "serialization"):
        plain, late = Plain.model_json_schema(mode=mode), Late.model_json_schema(mode=mode)
        assert plain["properties"] == late["properties"]
