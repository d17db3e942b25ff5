"""What a model remembers beside its fields: what was made of them, for as long as they are the same objects."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import TypeVar

from redis_mob.models.base import Model

T = TypeVar("T")


def remembered(owner: Model, name: str, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
    """What `make` makes of these values. The model remembers it, and so do copies of the model that are made later.

    It is made anew where one of the values is another object than before. What was kept from being made by an error is
    not remembered.
    """
    known: tuple[tuple[object, ...], T] | None = vars(owner).get(name)
    if known is None or not all(map(is_, known[0], made_of)):
        known = vars(owner)[name] = made_of, make()
    return known[1]
