"""The host store behind its contract: what it forgets, how leases end, and what is damaged."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from redis_mob import MobStorage, SerializationError
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts.host_errors import HostConflictError, HostFenceHeldError
from redis_mob.memory import host_realm
from redis_mob.memory.namespace import move_clocks
from redis_mob.models.host import FenceGrant, HeadPage, ScopeKind
from redis_mob.stores import host as on_server
from redis_mob.testing.samples.host import batch, changed, created, mob_scope, record_scope


@pytest.fixture(params=["memory", "server"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory:" if request.param == "memory" else request.getfixturevalue("server_url")


async def test_a_forgotten_commit_meets_a_conflict(url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract: host-7."""
    monkeypatch.setattr(on_server, "REMEMBERED_COMMITS", 3)
    monkeypatch.setattr(host_realm, "REMEMBERED_COMMITS", 3)
    async with MobStorage.open(url, namespace=namespace) as storage:
        host = storage.host
        token = (await host.acquire_fence()).token
        first = batch("first", token, created(mob_scope()), created(record_scope()))
        await host.commit(first)
        await host.commit(batch("deletes", token, changed(record_scope(), 1, delete=True)))
        for version in (1, 2):
            assert not await host.commit(batch("deletes", token, changed(record_scope(), 1, delete=True)))
            await host.commit(batch(f"{version}", token, changed(mob_scope(), version)))
        with pytest.raises(HostConflictError):
            await host.commit(first)
        await host.commit(batch("3", token, changed(mob_scope(), 3)))
        assert await host.commit(batch("anew", token, created(record_scope()))), "its deletion is forgotten too"


async def test_a_lease_that_has_ended_holds_no_one_off(server_url: str, namespace: str) -> None:
    """Contract: host-2, host-3."""
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.host.acquire_fence()
        client = await connect(server_url)
        await client.router.request("HSET", Keys(namespace).host_fence, "until", b" 1\n")
        await storage.host.renew_fence(1)
        with pytest.raises(HostFenceHeldError):
            await storage.host.acquire_fence()
        await client.router.request("HSET", Keys(namespace).host_fence, "until", b" 1\n")
        assert await storage.host.acquire_fence() == FenceGrant(2, timedelta())
        await client.aclose()


async def test_a_lease_in_memory_ends_by_its_clock(namespace: str) -> None:
    """Contract: host-4."""
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        await storage.host.acquire_fence()
        move_clocks(asyncio.get_running_loop(), timedelta(seconds=30))
        assert await storage.host.acquire_fence() == FenceGrant(2, timedelta())


async def test_what_a_host_has_lost_is_told(server_url: str, namespace: str) -> None:
    """Contract: host-11."""
    keys = Keys(namespace)
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        token = (await storage.host.acquire_fence()).token
        await storage.host.commit(batch("first", token, created(mob_scope(), b"0", b"1"), created(record_scope())))
        client = await connect(server_url)
        await client.router.request("HSET", keys.host_rows, b"mmob\x000", b"1\n")
        with pytest.raises(SerializationError, match="row 0 of mob scope"):
            await storage.host.read_rows(mob_scope())
        await client.router.request("HDEL", keys.host_rows, b"mmob\x001")
        with pytest.raises(SerializationError, match="row 1 of scope mmob is gone"):
            await storage.host.read_rows(mob_scope(), 1)
        await client.router.request("HSET", keys.host_heads, b"mmob", b"4\nhe")
        with pytest.raises(SerializationError, match="the head of mob scope"):
            await storage.host.load_head(mob_scope())
        assert (await storage.host.list_heads(ScopeKind.RECORD)) != HeadPage()
        await client.router.request("DEL", keys.host_fence)
        with pytest.raises(SerializationError, match="host:fence"):
            await storage.host.acquire_fence()
        await client.aclose()
