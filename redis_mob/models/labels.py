"""What a run is found by beside its ids: its attributes and its summary (decision 0033)."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field
from pydantic_core import to_json

from redis_mob.models.base import Model, SortedDict, is_empty, is_none

MOST_ATTRIBUTES = 32
"""Attributes that one run may have."""

MOST_BYTES_OF_ATTRIBUTE = 256
"""How long the name of an attribute may be, and its value as text, in UTF-8."""

LONGEST_SUMMARY = 1_000
"""Characters of a summary."""

AttributeValue = str | bool | int | float
"""What an attribute may be."""

_EXACT = 2**53


def attribute_text(value: AttributeValue) -> str:
    """The text by which an attribute is found: a text itself, `true`, `false`, and a number as in JSON.

    A number without a fraction has none in its text, so that 3 and 3.0 are found alike.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    return to_json(value).decode()


class Labels(Model):
    """The attributes of a run by name, and its summary: what a list shows of it in a line."""

    attributes: SortedDict[AttributeValue] = Field(default=SortedDict(), exclude_if=is_empty)
    summary: str | None = Field(default=None, exclude_if=is_none)


NO_LABELS = Labels.unchecked()
"""Neither attributes nor a summary."""


class LabelChange(NamedTuple):
    """A change of the labels of a run: attributes by name, None for one that goes; others stay as they are.

    The summary changes only if `sets_summary` says so, and goes if it is None then.
    """

    attributes: Mapping[str, AttributeValue | None] = {}
    summary: str | None = None
    sets_summary: bool = False
