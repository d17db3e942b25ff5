"""Field groups and their digests, of which the digest of a state is made (decision 0002)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from redis_mob.codec.packing import pack

DIGEST_SIZE = 16


class Group(NamedTuple):
    """One field group: its bytes and their digest."""

    data: bytes
    digest: bytes


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

    def with_groups(self, groups: Iterable[tuple[bytes, Group]]) -> Digests:
        """The same, with other digests of these groups."""
        text = bytearray(self.text)
        for name, group in groups:
            text[self.places[name] : self.places[name] + DIGEST_SIZE] = group.digest
        return Digests(bytes(text), self.places)

    @property
    def digest(self) -> bytes:
        """The digest of the state."""
        return blake2b(self.text, digest_size=DIGEST_SIZE).digest()
