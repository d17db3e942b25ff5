"""Everything that can go missing from one key by hand, or by a server that has lost data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from redis_mob.connection.servers.router import Router

Command = tuple[bytes | str | int, ...]

_OF_ONE_KIND = 4
"""How many items of a list are cut short: all of them are read in the same way."""


WHOLE = 3
"""How many of the damages of a key come first and concern all of it."""


@dataclass(frozen=True)
class Damage:
    """Commands that damage one key, and what they do. `found` is the type that they leave in the place of its own."""

    what: str
    commands: tuple[Command, ...]
    found: str | None = None

    async def do(self, router: Router) -> None:
        for command in self.commands:
            await router.request(*command)


async def damages_of(router: Router, key: str) -> AsyncIterator[Damage]:
    """Each damage of a key as it is now: all of it gone, another type, each part gone, each value cut short."""
    yield Damage("deleted", (("DEL", key),))
    yield Damage("replaced by a string", (("SET", key, "x"),), "string")
    kind = (await router.request("TYPE", key)).decode()
    other, added = ("hash", ("HSET", key, "x", "x")) if kind == "list" else ("list", ("RPUSH", key, "x"))
    yield Damage(f"replaced by a {other}", (("DEL", key), added), other)
    async for damage in _PARTS[kind](router, key):
        yield damage


async def _of_hash(router: Router, key: str) -> AsyncIterator[Damage]:
    flat = await router.request("HGETALL", key)
    for field, value in zip(flat[::2], flat[1::2], strict=True):
        yield Damage(f"without the field {field!r}", (("HDEL", key, field),))
        for length in sorted({0, max(len(value) - 1, 0)} - {len(value)}):
            yield Damage(f"{field!r} cut to {length} bytes", (("HSET", key, field, value[:length]),))


async def _of_list(router: Router, key: str) -> AsyncIterator[Damage]:
    items: list[bytes] = await router.request("LRANGE", key, 0, -1)
    yield Damage("without its first item", (("LPOP", key),))
    yield Damage("without its last item", (("RPOP", key),))
    if len(items) > 1:
        yield Damage("with its first item alone", (("LTRIM", key, 0, 0),))
    for number, item in list(enumerate(items))[-_OF_ONE_KIND:]:
        yield Damage(f"item {number} cut short", (("LSET", key, number, item[: len(item) // 2]),))
        yield Damage(f"item {number} empty", (("LSET", key, number, b""),))


async def _of_zset(router: Router, key: str) -> AsyncIterator[Damage]:
    for member in await router.request("ZRANGE", key, 0, -1):
        yield Damage(f"without the member {member!r}", (("ZREM", key, member),))


async def _of_set(router: Router, key: str) -> AsyncIterator[Damage]:
    for member in await router.request("SMEMBERS", key):
        yield Damage(f"without the member {member!r}", (("SREM", key, member),))


async def _of_stream(router: Router, key: str) -> AsyncIterator[Damage]:
    for id, _ in await router.request("XRANGE", key, "-", "+"):
        yield Damage(f"without the entry {id!r}", (("XDEL", key, id),))
    yield Damage("trimmed to its last entry", (("XTRIM", key, "MAXLEN", 1),))
    yield Damage("trimmed to nothing", (("XTRIM", key, "MAXLEN", 0),))


_PARTS = {"hash": _of_hash, "list": _of_list, "zset": _of_zset, "set": _of_set, "stream": _of_stream}
