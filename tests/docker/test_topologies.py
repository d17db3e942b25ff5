"""What the URL of each profile of docker-compose.yml can be used for: everything, also while a server is lost."""

from __future__ import annotations

import asyncio
import json

from redis import Redis

from redis_mob.connection.retry import RetryPolicy
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.servers.cluster import slot_of
from redis_mob.testing.servers.raw_client import RawClient
from redis_mob.testing.waiting import LONG, take, until
from tests.cli.command import ROOT, redis_mob
from tests.docker.compose import Topology

DURABILITY = {"single": "fsync", "sentinel": "replicas:1", "cluster": "replicas:1", "tls": "fsync"}
"""What the settings of each profile are made for."""


async def test_events_are_appended_read_and_followed(url: str, namespace: str) -> None:
    async with MobStorage.open(url, namespace=namespace) as writer, MobStorage.open(url, namespace=namespace) as reader:
        await writer.events.append(numbered(1))
        async with reader.events.subscribe(after=0) as following:
            assert [number_of(event) for event in await take(following, 1)] == [1]
            await writer.events.append_batch([numbered(2), numbered(3)])
            assert [number_of(event) for event in await take(following, 2)] == [2, 3]
        assert await reader.events.latest_cursor() == 3


def test_two_workers_run_a_flow(url: str, namespace: str) -> None:
    flow = ["hello.toml", "--flow", "hello", "--handler", "handlers:greet", "--workers", "2", "--json"]
    ended = redis_mob(ROOT / "examples" / "quickstart", "run", *flow, "--url", url, "--namespace", namespace)
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["outputs"] == {"greet": {"greeter-1": "Hello, world!"}}


def test_the_doctor_finds_no_error(url: str, topology: Topology) -> None:
    ended = redis_mob(ROOT, "doctor", "--url", url, "--durability", DURABILITY[topology.profile])
    assert ended.status == 0, f"{ended.out}{ended.err}"


async def test_a_namespace_outlives_its_server(url: str, topology: Topology, namespace: str) -> None:
    durability = DURABILITY[topology.profile]
    retry = RetryPolicy(deadline=3 * LONG)
    async with MobStorage.open(url, namespace=namespace, durability=durability, retry=retry) as storage:
        await storage.events.append(numbered(1))
        server = _holder(topology.profile, namespace)
        topology.kill(server)
        appending = asyncio.create_task(storage.events.append(numbered(2)))
        if durability == "replicas:1":
            await until(lambda: _holder(topology.profile, namespace) != server, seconds=3 * LONG)
        topology.start(server)
        assert (await appending).cursor == 2
        assert [number_of(event) for event in await storage.events.replay_all()] == [1, 2]


def _holder(profile: str, namespace: str) -> str:
    """The service whose server holds a namespace, in the eyes of one that never does before something is lost."""
    match profile:
        case "sentinel":
            with RawClient(Redis(port=26379)) as sentinel:
                _, port = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "fleet")
            return f"sentinel-server-{int(port) - 6400}"
        case "cluster":
            slot = slot_of(namespace)
            with RawClient(Redis(port=7006)) as replica:
                ranges = replica.execute_command("CLUSTER", "SLOTS")
            [port] = (primary[1] for first, last, primary, *_ in ranges if first <= slot <= last)
            return f"cluster-{port - 7000}"
        case _:
            return profile
