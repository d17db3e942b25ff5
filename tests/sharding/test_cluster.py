"""Namespaces on the three primaries of a Cluster, and processes that know more or less of them."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE

from redis_mob.connection.calls.spread_names import spread_names
from redis_mob.sharding import NamespaceEvent
from redis_mob.testing.servers.cluster import Cluster, slot_of
from redis_mob.testing.waiting import take
from tests.fleet.flows import FLOW
from tests.sharding.fleets import fleet_of, names

KEYS = [f"order-{number}" for number in range(60)]


async def test_a_fleet_is_on_all_primaries(valkey_cluster: Cluster) -> None:
    of = spread_names(names(1)[0], 6)
    primaries = [valkey_cluster.owner(slot_of(name)).port for name in of]
    assert all(primaries.count(node.port) == 2 for node in valkey_cluster.nodes)
    async with fleet_of(valkey_cluster.url, of) as fleet, fleet.tail(kinds=["flow_completed"]) as log:
        async with fleet.working():
            started = [await fleet.start(FLOW, key=key) for key in KEYS[:12]]
            assert {(await fleet.wait(run_id)).status for run_id in started} == {"completed"}
        ended: list[NamespaceEvent] = await take(log, 12)
        assert {one.event.run_id for one in ended} == set(started)
        assert {one.run.run_id async for one in fleet.all_runs()} == set(started)
        for namespace, examination in (await fleet.examine()).items():
            assert examination.namespace == namespace


async def test_processes_start_one_run_for_each_key_while_namespaces_are_added(server_url: str) -> None:
    of = names(4)
    async with fleet_of(server_url, of[:1]) as fleet:
        processes: list[asyncio.subprocess.Process] = []
        for added in of[1:]:
            # each of them knows one namespace more than the one before
            command = ("-m", "tests.sharding.starter", server_url, of[0], *KEYS)
            processes.append(await asyncio.create_subprocess_exec(sys.executable, *command, stdin=PIPE, stdout=PIPE))
            assert processes[-1].stdout is not None
            assert await processes[-1].stdout.readline() == b"ready\n"
            await fleet.add(added)
        told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
        ids = [json.loads(out) for out, _ in told]
        assert all(one == ids[0] for one in ids)
        assert {one.run.run_id async for one in fleet.all_runs()} == set(ids[0].values())
        assert len(set(ids[0].values())) == len(KEYS)
