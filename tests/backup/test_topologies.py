"""Backups of namespaces in a Cluster and behind Sentinels, and into them (contract: backup-1, backup-2, backup-5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_mob.backup import live
from redis_mob.backup.moving import move
from redis_mob.backup.requests import server_of
from redis_mob.backup.service import back_up, restore
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import ReadFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.servers.cluster import Cluster, slot_of
from redis_mob.testing.servers.sentinel import run_sentinels
from tests.backup.content import content, names_in


@pytest.fixture(scope="module")
def sentinel_url() -> Iterator[str]:
    with run_sentinels() as service:
        yield service.url


@pytest.fixture
def urls(server_url: str, redis7_url: str, cluster_url: str, sentinel_url: str) -> dict[str, str]:
    return {"one": server_url, "redis": redis7_url, "cluster": cluster_url, "sentinels": sentinel_url}


async def content_at(url: str, namespace: str) -> dict[str, object]:
    connection = await connect(url, namespace)
    try:
        return await content(connection, Keys(namespace))
    finally:
        await connection.aclose()


@pytest.mark.parametrize("source", ["one", "redis", "cluster", "sentinels"])
async def test_a_backup_of_each_kind_of_server_is_restored_to_each(
    urls: dict[str, str], source: str, namespace: str, tmp_path: Path
) -> None:
    async with MobStorage.open(urls[source], namespace=namespace) as storage:
        await storage.config.put("n", "one", {"n": 1})
        await back_up(urls[source], namespace, tmp_path / "full", follow=True)
        for number in range(600):
            await storage.config.put("n", f"d{number}", {"n": number})
        await back_up(urls[source], namespace, tmp_path / "changes", since=tmp_path / "full")
    before = await content_at(urls[source], namespace)
    for target, url in urls.items():
        other = f"{namespace}-from-{source}-in-{target}"
        await restore(url, other, [tmp_path / "full", tmp_path / "changes"])
        assert await content_at(url, other) == before


@pytest.mark.parametrize(("source", "target"), [("cluster", "sentinels"), ("sentinels", "cluster")])
async def test_a_namespace_moves_between_them(urls: dict[str, str], source: str, target: str, namespace: str) -> None:
    async with MobStorage.open(urls[source], namespace=namespace) as storage:
        await storage.config.put("n", "one", {"n": 1})
    before = await content_at(urls[source], namespace)
    await move(urls[source], namespace, urls[target], f"{namespace}-new")
    assert await content_at(urls[target], f"{namespace}-new") == before


async def test_a_namespace_that_a_cluster_moves_meanwhile_is_refused(
    valkey_cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, keys = slot_of(namespace), Keys(namespace)
    connection = await connect(valkey_cluster.url, namespace)
    try:
        await connection.open_namespace(namespace)
        target = valkey_cluster.another(slot)
        valkey_cluster.begin_move(slot, target)
        with pytest.raises(ReadFailedError, match="is moving namespace"):
            await server_of(connection, keys)
        valkey_cluster.move_keys(slot, target)
        valkey_cluster.end_move(slot, target)
        assert await server_of(connection, keys)
    finally:
        await connection.aclose()
    servers = iter(["before", "after"])

    async def each_its_own(*_: object) -> str:
        return next(servers)

    monkeypatch.setattr(live, "server_of", each_its_own)
    with pytest.raises(ReadFailedError, match="has moved to another server"):
        await back_up(valkey_cluster.url, namespace, tmp_path / "file")
    assert names_in(tmp_path) == []
