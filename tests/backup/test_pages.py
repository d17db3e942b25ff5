"""A backup reads in small pages, so that no script keeps other callers waiting for long (decision 0059)."""

from __future__ import annotations

import pytest
import redis.asyncio

from redis_mob.connection.calls.unopened_namespace import connected

MOST = 50


@pytest.mark.parametrize(("count", "length"), [(1, 1), (50, 1), (51, 1), (120, 1), (120, 80), (700, 1)])
async def test_changes_are_read_in_pages_however_they_are_stored(
    server_url: str, namespace: str, count: int, length: int
) -> None:
    """A hash that HSCAN gives as a whole, one of long names, and one of many entries."""
    async with connected(server_url, namespace) as (client, keys), redis.asyncio.from_url(server_url) as raw:
        names = [f"{keys.changes}:{number}{'x' * length}" for number in range(count)]
        await raw.hset(keys.changes_aside, mapping={f"{len(name)}:{name}w": "" for name in names})
        at, found, pages = b"0", list[str](), 0
        while True:
            at, page = await client.read("backup/read_changes", [keys.changes_aside], {"at": at, "least": MOST})
            assert length > 1 or count > 512 or len(page) <= MOST
            assert all(kind == b"R" for kind, *_ in page)  # of keys that are not there
            found += [key.decode() for _, key in page]
            pages += 1
            if at == b"0":
                break
        assert sorted(found) == sorted(names)
        assert pages >= count // 200
