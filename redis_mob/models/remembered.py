"""What a model remembers beside its fields: what was made of them, for as long as they are the same objects."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any, TypeVar

from redis_mob.models.base import Model

T = TypeVar("T")


def known(owner: Model, name: str, made_of: tuple[object, ...]) -> Any:
    """What a model remembers under this name; None if it was made of other values, or nothing was."""
    found = vars(owner).get(name)
    return found[1] if found is not None and all(map(is_, found[0], made_of)) else None


def remember(owner: Model, name: str, made_of: tuple[object, ...], value: T) -> T:
    """Have a model remember what was made of these values, and copies of it that are made later."""
    vars(owner)[name] = made_of, value
    return value


def remembered(owner: Model, name: str, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
    """What `make` makes of these values. The model remembers it, and so do copies of the model that are made later.

    It is made anew where one of the values is another object than before. What was kept from being made by an error is
    not remembered.
    """
    found: T | None = known(owner, name, made_of)
    return remember(owner, name, made_of, make()) if found is None else found
