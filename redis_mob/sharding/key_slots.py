"""In which slot a key is, and which namespace a slot gets when it is first used (decision 0070). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

KEY_SLOTS = 16_384
"""How many slots there are for keys. It never changes: a key must find its slot again."""


def slot_of_key(key: str) -> int:
    """The slot of a key, by a hash of its text in UTF-8."""
    return _hashed(b"key", key.encode()) % KEY_SLOTS


def preferred(slot: int, numbers: Iterable[int]) -> int:
    """Which of these namespaces a slot gets: the one with the greatest hash of both, as rendezvous hashing does.

    A namespace that is added takes an equal part of the slots from each of the others, and none goes elsewhere.
    """
    return max(numbers, key=lambda number: (_hashed(b"slot", b"%d:%d" % (slot, number)), number))


def _hashed(kind: bytes, what: bytes) -> int:
    return int.from_bytes(blake2b(what, digest_size=8, person=kind).digest(), "big")
