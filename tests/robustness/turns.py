"""Random choices that leave nothing out for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def in_turn(random: Random, items: Sequence[T]) -> Iterator[T]:
    """All items in a random order, then all in another one, for ever."""
    while True:
        yield from random.sample(items, len(items))
