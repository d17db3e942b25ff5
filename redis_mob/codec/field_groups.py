"""What a snapshot is made of: named groups of bytes, the rows that lie in them, and their digests (decision 0002)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from redis_mob.codec.packing import pack

DIGEST_SIZE = 16

BLOCK = 32
"""Steps (or nodes) whose changing columns share one group."""

PLAN = b"plan"
SCHEDULER = b"scheduler"
UNKNOWN = b"unknown"
"""The group of the fields of a state that its class does not have; most states have none, and no such group."""
BESIDE = b"beside"
"""The group of the fields that stand beside the state in a frame or loop, and that its class does not have."""
OPTIONAL = (UNKNOWN, BESIDE)
NO_BLOCKS = frozenset((PLAN, SCHEDULER, *OPTIONAL))
MEMORY = "_snapshot"
"""Where a state remembers its snapshot."""


class Group(NamedTuple):
    """One field group: its bytes and their digest."""

    data: bytes
    digest: bytes


class Row(NamedTuple):
    """The values of one map in the order of its keys; `keys` is None when they are the ids of the state."""

    keys: tuple[str, ...] | None
    values: Sequence[Any]


@lru_cache(maxsize=1024)
def _packed_name(group: bytes) -> bytes:
    return pack(group)


class Digests(NamedTuple):
    """What the digest of a state is made of: the packed name and the digest of each group, and where these lie."""

    text: bytes
    places: dict[bytes, int]

    @classmethod
    def of(cls, groups: Mapping[bytes, Group]) -> Digests:
        """Those of groups in their order."""
        text = bytearray()
        places: dict[bytes, int] = {}
        for name, group in groups.items():
            text += _packed_name(name)
            places[name] = len(text)
            text += group.digest
        return cls(bytes(text), places)

    def with_groups(self, groups: Mapping[bytes, Group]) -> Digests:
        """The same, with other digests of these groups."""
        text, places = bytearray(self.text), self.places
        for name, group in groups.items():
            place = places[name]
            text[place : place + DIGEST_SIZE] = group.digest
        return Digests(bytes(text), places)

    @property
    def digest(self) -> bytes:
        """The digest of the state."""
        return blake2b(self.text, digest_size=DIGEST_SIZE).digest()


@dataclass(slots=True)
class Snapshot:
    """An encoded state: its groups by name, the digest of all, and what they were made from. It does not change."""

    groups: dict[bytes, Group]
    digest: bytes
    values: tuple[Any, ...]
    """The field objects, in the order of `Layout.names`."""
    rows: tuple[Row, ...]
    """The columns that lie in blocks."""
    digests: Digests
    are_blocks: bool = True
    """Whether all rows have the keys of the state, and lie in blocks of the usual length."""
    unknown: Group | None = None
    """The group of the fields that no class of ours has; None if there are none."""
    base: dict[bytes, Group] | None = field(default=None, compare=False)
    """The groups of the state that this one was made of by `model_copy`, if both have groups of the same names."""
    others: dict[bytes, Group] = field(default_factory=dict[bytes, Group], compare=False)
    """The groups that are not those of `base`."""


def group_of(value: object) -> Group:
    """The group that holds a value."""
    data = pack(value)
    return Group(data, blake2b(data, digest_size=DIGEST_SIZE).digest())
