"""How large each kind of key of a namespace is. What is asked is bounded, and the rest is estimated from it.

The keys of the server are walked in pages, and of each kind some are measured, so that no command keeps the server for
longer than a script does.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from redis_mob.admin.doctor.finding import NotAnsweredError
from redis_mob.admin.doctor.kinds import KINDS, Kind
from redis_mob.admin.doctor.probe import Server, ask
from redis_mob.connection.calls.keys import Keys, type_of_key
from redis_mob.connection.servers.requests import Part
from redis_mob.models.retention import RetentionPolicies

_PAGE = 250
"""Keys that one SCAN goes by."""

_PAGES = 400
"""How many pages there are at most: the other keys of a server are taken to be like these."""

_MEASURED = 20
"""How many keys of a sort are measured, where there is one for each run or client."""

_SAMPLES = 5
"""Of how many records of a key the server tells the memory; it takes the others to be like them."""

_COUNTED_BY = {"hash": b"HLEN", "list": b"LLEN", "set": b"SCARD", "stream": b"XLEN", "zset": b"ZCARD"}


class Size(NamedTuple):
    """How many keys there are, with how many records and bytes in all; None is what the server does not tell."""

    keys: int | None
    records: int | None
    bytes: int | None


class KindSize(NamedTuple):
    """The size of a kind of key. `bound` keeps it from growing for ever; None is nothing, and `change` what would."""

    kind: str
    size: Size
    bound: str | None
    change: str


class Growth(NamedTuple):
    """The kinds that have keys. They are estimated from `seen` of the `of` keys of the server, if these differ.

    `refused` names the questions that the server did not answer.
    """

    kinds: tuple[KindSize, ...]
    seen: int
    of: int
    refused: tuple[str, ...] = ()


class _Seen(NamedTuple):
    """What was seen of a sort of keys, and how many times as much there is."""

    number: int
    some: list[str]
    times: float


@dataclass(slots=True)
class _Walk:
    """The keys that the server has, as far as they were gone by: how many of each sort, and some of them."""

    seen: int = 0
    of: int = 0
    numbers: Counter[str] = field(default_factory=Counter[str])
    some: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))

    def take(self, found: Iterable[bytes], keys: Keys) -> None:
        for key in found:
            self.seen += 1
            if (sort := keys.sort_of(key)) is not None:
                self.numbers[sort] += 1
                if len(self.some[sort]) < _MEASURED:
                    self.some[sort].append(key.decode())

    def seen_of(self, sort: str) -> _Seen:
        return _Seen(self.numbers[sort], self.some[sort], max(self.of / self.seen, 1.0) if self.seen else 1.0)


async def probe_growth(server: Server, namespace: str, policies: RetentionPolicies | NotAnsweredError) -> Growth:
    """Ask the server that holds a namespace how large its keys are. Raises a TransportError if it stops answering."""
    probe = _Probe(server, Keys(namespace))
    walk = await probe.walk()
    found = [KindSize(kind.name, await probe.size_of(kind, walk), *_bound(kind, policies)) for kind in KINDS]
    seen, of = (0, 0) if walk is None else (walk.seen, walk.of)
    return Growth(tuple(one for one in found if one.size.keys != 0), seen, of, tuple(probe.refused))


@dataclass(slots=True)
class _Probe:
    server: Server
    keys: Keys
    refused: dict[str, None] = field(default_factory=dict[str, None])
    """The questions that the server does not answer, in the order in which they were asked."""

    async def ask(self, *question: Part) -> Any:
        """The reply, or None if there is none."""
        reply = await ask(self.server, *question)
        if isinstance(reply, NotAnsweredError):
            self.refused[reply.question] = None
            return None
        return reply

    async def walk(self) -> _Walk | None:
        """Go by the keys of the server, in pages; None if that is not permitted."""
        walk, cursor = _Walk(), b"0"
        for _ in range(_PAGES):
            if (reply := await self.ask(b"SCAN", cursor, b"COUNT", _PAGE)) is None:
                return None
            cursor, found = reply
            walk.take(found, self.keys)
            if cursor == b"0":
                walk.of = walk.seen
                return walk
        walk.of = max(await self.ask(b"DBSIZE") or 0, walk.seen)
        return walk

    async def size_of(self, kind: Kind, walk: _Walk | None) -> Size:
        """The size of a kind: of its own keys, and of those of runs and clients as far as they were seen."""
        own = [await self._size_of_key(self.keys.named(name)) for name in kind.fixed]
        if kind.sorts and walk is None:
            return Size(None, None, None)
        sorts = [await self._size_of_sort(walk.seen_of(sort)) for sort in kind.sorts] if walk is not None else []
        return _sum([*own, *sorts])

    async def _size_of_sort(self, seen: _Seen) -> Size:
        """Of as many keys of a sort as there are, the size of some of them taken for that of the others."""
        if not seen.some:
            return Size(0, 0, 0)
        number = round(seen.number * seen.times)
        measured = _sum(await asyncio.gather(*map(self._size_of_key, seen.some)))
        records, in_bytes = (None if one is None else one * number // len(seen.some) for one in measured[1:])
        return Size(number, records, in_bytes)

    async def _size_of_key(self, key: str) -> Size:
        records = await self.ask(_COUNTED_BY[type_of_key(key)], key)
        if not records:
            return Size(records, records, records)
        return Size(1, records, await self.ask(b"MEMORY", b"USAGE", key, b"SAMPLES", _SAMPLES))


def _sum(sizes: Iterable[Size]) -> Size:
    """All of these together; None if one of them is."""
    whole = Size(0, 0, 0)
    for one in sizes:
        whole = Size(*(None if a is None or b is None else a + b for a, b in zip(whole, one, strict=True)))
    return whole


def _bound(kind: Kind, policies: RetentionPolicies | NotAnsweredError) -> tuple[str | None, str]:
    """What bounds a kind, and what would if nothing does."""
    if isinstance(policies, NotAnsweredError):
        return "unknown: the policies cannot be read", ""
    bound = kind.bound(policies)
    return bound, "" if bound else kind.change
