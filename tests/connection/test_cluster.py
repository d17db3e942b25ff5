"""Storages on a Redis Cluster: where they are, and what they make of slots that move and nodes that die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import RedisError

from redis_mob import Fleet, MobDefinition, MobStorage, StepContext
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import Attempts, RetryPolicy
from redis_mob.errors import (
    InternalError,
    OutcomeUnknownError,
    ReadFailedError,
    StorageUnavailableError,
    WriteFailedError,
)
from redis_mob.models import MobRunStatus
from redis_mob.notifications import subscription
from redis_mob.testing.samples.compound import COMPOUND, Operation, scene
from redis_mob.testing.samples.config_documents import at, changed
from redis_mob.testing.samples.documents import definition
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.samples.states import authority_input
from redis_mob.testing.servers.cluster import Cluster, Node, run_cluster, slot_of
from redis_mob.testing.waiting import LONG, until
from redis_mob.version import NAMESPACE_SCHEMA
from tests.connection.pipelines import until_lost
from tests.support.every_store import use_every_store
from tests.support.servers import redis7_program, server

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

PASSWORD = "s3cr3t-pass"  # noqa: S105


@pytest.fixture(scope="module", params=["Valkey", "Redis 7"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The shared Cluster, and one of the Redis program on PATH."""
    if request.param == "Valkey":
        yield request.getfixturevalue("valkey_cluster")
    else:
        with run_cluster(program=redis7_program()) as own:
            yield own


@pytest.fixture
def slot(namespace: str) -> int:
    """The hash slot of the test's namespace."""
    return slot_of(namespace)


@pytest.fixture
async def storage(cluster: Cluster, namespace: str) -> AsyncIterator[MobStorage]:
    """A storage on the test's namespace."""
    async with MobStorage.open(cluster.url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
async def another_storage(cluster: Cluster, namespace: str) -> AsyncIterator[MobStorage]:
    """The same namespace, over connections of its own."""
    async with MobStorage.open(cluster.url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
def wake_ups_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses a wake-up never sees what it announced."""
    monkeypatch.setattr(subscription, "SWEEP_SECONDS", 3600.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are given up soon."""
    attempts = RetryPolicy.attempts

    def soon(policy: RetryPolicy) -> Attempts:
        return attempts(replace(policy, deadline=1))

    monkeypatch.setattr(RetryPolicy, "attempts", soon)


async def test_namespaces_are_spread_over_the_nodes_and_found_without_a_detour(cluster: Cluster):
    moved, ports = cluster.refusals("MOVED"), set[int]()
    for number in range(12):
        namespace = f"spread-{number}"
        connection = await connect(cluster.url, namespace)
        keys = await connection.open_namespace(namespace)
        owner = cluster.owner(slot_of(namespace))
        assert f"tcp_port:{owner.port}\r\n".encode() in await connection.router.request("INFO", "server")
        assert owner.do("EXISTS", keys.meta) == 1
        ports.add(owner.port)
        await connection.aclose()
    assert len(ports) == 3
    assert cluster.refusals("MOVED") == moved


async def test_the_url_of_a_storage_opens_it_elsewhere(cluster: Cluster, storage: MobStorage, namespace: str):
    assert storage.url == cluster.url
    await storage.specs.put_spec("m", definition())
    async with MobStorage.open(storage.url, namespace=namespace) as elsewhere:
        assert await elsewhere.specs.get_spec("m") == (definition(), 1)


async def test_every_store_works(storage: MobStorage, another_storage: MobStorage, wake_ups_alone: None):
    await use_every_store(storage, another_storage)


@pytest.mark.parametrize("operation", COMPOUND, ids=lambda operation: operation.name)
async def test_every_compound_operation_works(storage: MobStorage, operation: Operation):
    run, inputs = scene(), (authority_input(1),)
    await storage.runs.create_run(run)
    assert await operation.call(storage.runs, run.run_id, authority_inputs=inputs) is True
    assert await storage.runs.get_run(run.run_id) == operation.left(run, inputs)


async def test_one_seed_that_answers_is_enough(cluster: Cluster, free_port: int, namespace: str):
    for node in cluster.nodes:
        url = cluster.url_of(node).replace("://", f"://127.0.0.1:{free_port},")
        async with MobStorage.open(url, namespace=namespace) as storage:
            await storage.events.append(numbered(1))


async def test_no_seed_that_answers(free_port: int):
    refused = await _refused(f"redis+cluster://:{PASSWORD}@127.0.0.1:{free_port},no-such-host.invalid")
    assert f"redis+cluster://:***@127.0.0.1:{free_port},no-such-host.invalid:6379: no node" in refused
    assert f"127.0.0.1:{free_port}. " in refused


async def test_a_cluster_and_a_single_server_are_told_apart(cluster: Cluster, free_port: int):
    assert "open it with redis+cluster://" in await _refused(cluster.url_of(cluster.nodes[0]).replace("+cluster", ""))
    with server("--port", str(free_port)):
        assert "open it with redis://" in await _refused(f"redis+cluster://127.0.0.1:{free_port}")


async def test_a_connection_is_for_one_namespace(cluster: Cluster):
    with pytest.raises(InternalError, match=r"name the namespace, as in connect\(url, namespace\)"):
        await connect(cluster.url)
    connection = await connect(cluster.url, "one")
    with pytest.raises(InternalError, match="is for namespace 'one': connect again for 'two'"):
        await connection.open_namespace("two")
    await connection.aclose()


async def test_nodes_that_do_not_know_their_host_are_where_the_seed_is(cluster: Cluster, namespace: str, slot: int):
    for node in cluster.nodes:
        node.do("CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint")
    try:
        async with MobStorage.open(cluster.url_of(cluster.another(slot)), namespace=namespace) as storage:
            await storage.events.append(numbered(1))
            cluster.move(slot, cluster.another(slot))
            await storage.events.append(numbered(2))
    finally:
        for node in cluster.nodes:
            node.do("CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")


async def test_a_slot_that_moves_while_all_use_it_disturbs_no_call(
    cluster: Cluster, storage: MobStorage, another_storage: MobStorage, slot: int
):
    moved, mobs, count = cluster.refusals("MOVED"), ["a", "b", "c", "d"], 150

    async def append(mob: str) -> None:
        for number in range(count):
            await storage.events.append(numbered(number, mob=mob))

    async def increase() -> None:
        for revision in range(count):
            await storage.config.put_if_revision("n", "a", at(revision + 1), revision)

    async with another_storage.events.subscribe() as events, another_storage.config.subscribe() as changes:
        using = asyncio.gather(increase(), *map(append, mobs))
        while not using.done():
            await asyncio.to_thread(cluster.move, slot, cluster.another(slot))
        await using
        async with asyncio.timeout(LONG):
            seen = [await anext(events) for _ in range(count * len(mobs))]
            assert [await changes.next() for _ in range(count)] == [changed("a")] * count
    assert [event.cursor for event in seen] == list(range(1, len(seen) + 1))
    for mob in mobs:
        assert [number_of(event) for event in seen if event.mob_id == mob] == list(range(count))
    assert await storage.config.get("n", "a") == at(count)
    assert cluster.refusals("MOVED") > moved


FLOW = MobDefinition.from_toml("""
[mob]
id = "mob"
[profiles]
worker = { model = "none" }
[flows.f.steps]
a = { role = "worker", message = "x" }
b = { role = "worker", message = "x", depends_on = ["a"] }
c = { role = "worker", message = "x", depends_on = ["b"] }
""")


async def test_a_fleet_goes_on_while_its_slot_moves(
    cluster: Cluster, storage: MobStorage, another_storage: MobStorage, slot: int
):
    async def work(_context: StepContext) -> str:
        await asyncio.to_thread(cluster.move, slot, cluster.another(slot))
        return "done"

    fleet, stop = Fleet(storage, FLOW, handlers={"worker": work}), asyncio.Event()
    worker = asyncio.create_task(fleet.work(stop=stop))
    run_id = await Fleet(another_storage, FLOW, handlers={"worker": work}).start("f")
    run = await fleet.wait(run_id)
    assert (run.status, set(run.root_step_outputs)) == (MobRunStatus.COMPLETED, {"a", "b", "c"})
    stop.set()
    await worker


async def test_a_subscriber_follows_its_slot(
    cluster: Cluster, storage: MobStorage, another_storage: MobStorage, slot: int, wake_ups_alone: None
):
    channel = Keys(storage.namespace).wake_events
    async with another_storage.events.subscribe() as events:
        for number in range(3):
            await until(lambda: cluster.owner(slot).do("PUBSUB", "SHARDNUMSUB", channel)[1] == 1)
            await storage.events.append(numbered(number))
            async with asyncio.timeout(LONG):
                assert number_of(await anext(events)) == number
            cluster.move(slot, cluster.another(slot))


async def test_what_has_moved_already_is_asked_for_at_its_new_place(cluster: Cluster, storage: MobStorage, slot: int):
    await storage.specs.put_spec("m", definition())
    source, target = cluster.owner(slot), cluster.another(slot)
    cluster.begin_move(slot, target)
    cluster.move_keys(slot, target)
    target.do("SCRIPT", "FLUSH")
    asked = source.refusals("ASK")
    assert await storage.specs.get_spec("m") == (definition(), 1)
    assert await storage.specs.put_spec("m", definition()) == 2
    assert await storage.specs.delete_spec("m", 2)
    assert source.refusals("ASK") >= asked + 3
    assert target.refusals("NOSCRIPT") >= 3
    cluster.end_move(slot, target)
    assert await storage.specs.get_spec("m") is None


async def test_what_is_on_two_nodes_waits_until_it_has_moved(cluster: Cluster, storage: MobStorage, slot: int):
    target, split = cluster.another(slot), cluster.refusals("TRYAGAIN")
    cluster.begin_move(slot, target)
    put = asyncio.create_task(storage.specs.put_spec("m", definition()))
    await until(lambda: cluster.refusals("TRYAGAIN") > split + 1)
    assert not put.done()
    cluster.move_keys(slot, target)
    cluster.end_move(slot, target)
    assert await put == 1


async def test_what_stays_on_two_nodes_is_given_up(
    cluster: Cluster, storage: MobStorage, slot: int, namespace: str, impatient: None
):
    target = cluster.another(slot)
    cluster.begin_move(slot, target)
    with pytest.raises(WriteFailedError, match=r"has it on two nodes.*TRYAGAIN.*several attempts") as failed:
        await storage.specs.put_spec("m", definition())
    assert not isinstance(failed.value, OutcomeUnknownError)
    assert isinstance(failed.value.__cause__, RedisError)
    with pytest.raises(ReadFailedError, match=r"has it on two nodes.*TRYAGAIN.*several attempts"):
        await storage.events.poll(0, 1)
    cluster.move_keys(slot, target)
    cluster.end_move(slot, target)
    assert await storage.specs.get_spec("m") is None


async def test_a_script_that_empties_a_key_ends_well_while_the_key_may_move(
    cluster: Cluster, storage: MobStorage, slot: int
):
    await storage.events.append_batch([numbered(number) for number in range(3)])
    later = (await storage.events.append(numbered(3))).timestamp
    target = cluster.another(slot)
    cluster.begin_move(slot, target)
    assert await storage.events.prune(later.replace(year=later.year + 1)) == 4
    cluster.move_keys(slot, target)
    cluster.end_move(slot, target)
    assert await storage.events.replay_all() == []


@pytest.fixture
async def former_owner(cluster: Cluster, storage: MobStorage, slot: int) -> AsyncIterator[Node]:
    """The node that had the slot of the namespace; no node has it until the test gives it back or ends."""
    owner = cluster.owner(slot)
    for node in cluster.nodes:
        node.do("CLUSTER", "DELSLOTS", slot)
    yield owner
    if owner.info()["cluster_slots_assigned"] != str(REDIS_CLUSTER_HASH_SLOTS):
        owner.do("CLUSTER", "ADDSLOTS", slot)
    await until(cluster.is_ready)


async def test_a_slot_without_owner_is_given_up(
    cluster: Cluster, storage: MobStorage, namespace: str, former_owner: Node, impatient: None
):
    with pytest.raises(WriteFailedError, match=r"cannot serve this namespace.*CLUSTERDOWN.*several attempts") as failed:
        await storage.events.append(numbered(1))
    assert not isinstance(failed.value, OutcomeUnknownError)
    with pytest.raises(ReadFailedError, match=r"cannot serve this namespace.*CLUSTERDOWN.*several attempts"):
        await storage.events.poll(0, 1)
    with pytest.raises(StorageUnavailableError, match=r"cannot serve this namespace.*CLUSTERDOWN.*several attempts"):
        await MobStorage.open(cluster.url, namespace=namespace)


async def test_a_slot_without_owner_for_a_moment_is_waited_for(
    cluster: Cluster, storage: MobStorage, slot: int, former_owner: Node
):
    down = cluster.refusals("CLUSTERDOWN")
    append = asyncio.create_task(storage.events.append(numbered(1)))
    await until(lambda: cluster.refusals("CLUSTERDOWN") > down + 1)
    assert not append.done()
    former_owner.do("CLUSTER", "ADDSLOTS", slot)
    assert (await append).cursor == 1


async def test_a_reply_that_is_lost_leaves_the_outcome_unknown_and_nothing_is_sent_again(
    cluster: Cluster, namespace: str, slot: int
):
    connection = await connect(cluster.url, namespace, retry=RetryPolicy(deadline=2, reply_timeout=0.3))
    keys = await connection.open_namespace(namespace)
    owner = cluster.owner(slot)
    calls = owner.do("INFO", "commandstats")["cmdstat_evalsha"]["calls"]
    owner.do("CLIENT", "PAUSE", 100_000, "WRITE")
    with pytest.raises(OutcomeUnknownError, match="may or may not"):
        await connection.call("calls/open_namespace", keys.fixed, [1])
    owner.do("CLIENT", "UNPAUSE")
    assert owner.do("INFO", "commandstats")["cmdstat_evalsha"]["calls"] <= calls + 1
    await connection.aclose()


async def test_the_place_of_a_dead_node_is_asked_of_the_others(namespace: str, slot: int):
    with run_cluster() as own:
        connection = await connect(own.url, namespace)
        keys = await connection.open_namespace(namespace)
        was = await connection.router.request("HGET", keys.meta, "epoch")
        former = own.owner(slot)
        own.move(slot, own.another(slot))
        former.kill()
        await until_lost(connection)
        schema, epoch, *_ = await connection.call("calls/open_namespace", keys.fixed, [NAMESPACE_SCHEMA, "k"])
        assert (int(schema), epoch) == (NAMESPACE_SCHEMA, was)
        await connection.aclose()


async def test_a_node_that_stays_dead_is_given_up(namespace: str, slot: int, impatient: None):
    with run_cluster() as own:
        connection = await connect(own.url, namespace)
        keys = await connection.open_namespace(namespace)
        owner = own.owner(slot)
        owner.kill()
        await until_lost(connection)
        with pytest.raises(WriteFailedError, match=rf"{owner.port}.*several attempts") as failed:
            await connection.call("calls/open_namespace", keys.fixed, [1])
        assert not isinstance(failed.value, OutcomeUnknownError)
        with pytest.raises(ReadFailedError, match=rf"{owner.port}.*several attempts"):
            await connection.read("events/latest_cursor", [keys.meta, keys.events])
        for node in own.nodes:
            node.kill()
        with pytest.raises(WriteFailedError, match="no node of the Cluster answers"):
            await connection.call("calls/open_namespace", keys.fixed, [1])
        await connection.aclose()


async def _refused(url: str) -> str:
    with pytest.raises(StorageUnavailableError) as refused:
        await MobStorage.open(url, namespace="n")
    assert isinstance(refused.value.__cause__, RedisError | None)
    return f"{refused.value} {refused.value!r}"
