"""Decisions that are read from bytes, so that a fuzzer that changes bytes changes decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Reads an input from its beginning; behind its end every byte is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def are_left(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self, below: int) -> int:
        """A number from 0 on."""
        size = 1 if below <= 256 else 2 if below <= 65_536 else 8
        return int.from_bytes(self.take(size)) % below

    def one_of(self, items: Sequence[T]) -> T:
        return items[self.number(len(items))]

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")

    def rest(self) -> bytes:
        found, self._at = self._data[self._at :], len(self._data)
        return found

    def some(self, most: int = 32) -> bytes:
        return self.take(self.number(most + 1))
