"""How scenarios are measured: in turn, with what they cost, and without a trace afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from itertools import groupby

import pytest
from redis.exceptions import ConnectionError as DriverConnectionError

from redis_mob import InternalError, StorageUnavailableError
from redis_mob.bench import Group, LeftOutError, NothingRedisPy, Report, Scenario, Taken, Target, measure
from redis_mob.bench.target import place
from redis_mob.connection.calls.client import Client, connect

SECONDS = 0.01


class Named(Scenario):
    """Writes its name into a diary each time."""

    operation = "a line in the diary"

    def __init__(self, name: str, diary: list[str]) -> None:
        super().__init__()
        self.name = name
        self._diary = diary

    async def set_up(self, target: Target) -> None:
        await target.storage.config.put("bench", "document", self.name)
        self._config = target.storage.config

    async def operate(self, agent: int) -> Taken | None:
        self._diary.append(self.name)
        await self._config.get("bench", "document")
        return None

    async def clean_up(self) -> None:
        self._diary.append(f"end of {self.name}")


@pytest.fixture
async def keys_left(server_url: str) -> AsyncIterator[Client]:
    """A connection to the shared server, on which no namespace of a benchmark may be left after the test."""
    client = await connect(server_url)
    yield client
    left = await client.router.request("KEYS", "{rm:bench-*")
    await client.aclose()
    assert left == []


async def measured(
    url: str, scenarios: Sequence[Scenario], *, rounds: int = 4, seconds: float = SECONDS, alternate: bool = False
) -> Report:
    """A short measurement; the cores of the machine may sleep meanwhile."""
    group = Group("group", "about it", scenarios, alternate=alternate)
    return await measure(url, [group], seconds=seconds, rounds=rounds, awake=False)


@pytest.mark.usefixtures("keys_left")
async def test_scenarios_have_their_turns_in_both_orders(server_url: str) -> None:
    diary: list[str] = []
    await measured(server_url, [Named("one", diary), Named("two", diary)])
    turns = [name for name, _ in groupby(diary) if not name.startswith("end")]
    # the warm-up is the first turn of both; the rounds that follow touch each other
    assert turns == ["one", "two", "one", "two", "one", "two", "one"]
    assert sorted(diary[-2:]) == ["end of one", "end of two"]


async def test_with_alternate_every_call_is_the_others_turn(server_url: str) -> None:
    diary: list[str] = []
    report = await measured(server_url, [Named("one", diary), Named("two", diary)], seconds=0.1, alternate=True)
    assert "onetwoonetwo" in "".join(diary)
    assert all(len(result.rounds["p50"]) == 4 for result in report.groups[0].results)


async def test_both_sides_are_metered(server_url: str) -> None:
    [result] = (await measured(server_url, [NothingRedisPy()])).groups[0].results
    assert {len(values) for values in result.rounds.values()} == {4}
    assert result.of("commands") == 1
    assert result.of("sent") == len(b":1\r\n")
    evalsha = b"*4\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n1\r\n$" % (b"0" * 40)
    assert len(evalsha) < result.of("received") < len(evalsha) + 80, "the key comes on top"
    assert result.of("client_cpu") > 0
    assert result.p99 <= result.most
    assert result.operations >= 4, "one of each round at least"


async def test_memory_has_no_server_that_could_be_metered() -> None:
    diary: list[str] = []
    report = await measured("memory:", [Named("one", diary), NothingRedisPy()])
    [result] = report.groups[0].results
    assert set(result.rounds) == {"p50", "mean", "client_cpu"}
    assert report.server == "memory"
    assert report.left_out == {"evalsha-redis-py": "redis-py is measured on a single server"}


class Prepared(Named):
    """Writes much before each turn."""

    async def prepare(self, count: int) -> None:
        for _ in range(count):
            await self._config.put("bench", "other", "x" * 1000)


async def test_what_is_prepared_is_not_metered(server_url: str) -> None:
    diary: list[str] = []
    [plain, prepared] = (await measured(server_url, [Named("one", diary), Prepared("two", diary)])).groups[0].results
    assert prepared.of("received") == plain.of("received")
    assert prepared.of("commands") == plain.of("commands")


class Batch(Scenario):
    """Ten operations in each call, by three agents."""

    name = "batch"
    agents = 3
    units = 10
    most_calls = 2

    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[int] = []
        self.calls: list[int] = []

    async def prepare(self, count: int) -> None:
        self.prepared.append(count)

    async def operate(self, agent: int) -> Taken:
        self.calls.append(agent)
        await asyncio.sleep(0)
        return Taken([1.0], cpu=0.5, seconds=1.0, kept=40.0)


async def test_what_a_call_measures_itself_counts_and_is_divided_by_its_operations() -> None:
    scenario = Batch()
    report = await measured("memory:", [scenario], seconds=1000)
    [result] = report.groups[0].results
    assert set(scenario.prepared) <= {3, 6}, "one or two calls of each of three agents"
    assert sum(scenario.prepared) == len(scenario.calls)
    assert {scenario.calls.count(agent) for agent in range(3)} == {len(scenario.calls) // 3}
    assert result.of("p50") == result.of("mean") == 1e6 / 10
    assert result.of("client_cpu") == 0.5e6 / 10
    assert result.of("kept") == 40 / 10
    assert result.operations == 10 * sum(scenario.prepared[-4:])


class Broken(Named):
    """Fails in its first call, in one way or another."""

    def __init__(self, error: BaseException, diary: list[str]) -> None:
        super().__init__("broken", diary)
        self._error = error

    async def operate(self, agent: int) -> Taken | None:
        raise self._error


@pytest.mark.usefixtures("keys_left")
@pytest.mark.parametrize(
    ("error", "told"), [(InternalError("no"), InternalError), (DriverConnectionError("lost"), StorageUnavailableError)]
)
async def test_an_error_ends_all_and_leaves_no_key(server_url: str, error: Exception, told: type[Exception]) -> None:
    diary: list[str] = []
    with pytest.raises(told):
        await measured(server_url, [Named("one", diary), Broken(error, diary)])
    assert diary[-2:] == ["end of broken", "end of one"]


class Endless(Named):
    """Does not come back from its first call."""

    def __init__(self, diary: list[str]) -> None:
        super().__init__("endless", diary)
        self.begun = asyncio.Event()

    async def operate(self, agent: int) -> Taken | None:
        self.begun.set()
        await asyncio.Event().wait()
        return None


@pytest.mark.usefixtures("keys_left")
async def test_a_cancellation_leaves_no_key(server_url: str) -> None:
    diary: list[str] = []
    endless = Endless(diary)
    task = asyncio.create_task(measured(server_url, [endless]))
    await endless.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary == ["end of endless"]


class Deaf(Endless):
    """Goes on when it is cancelled, as redis-py does when that cuts its connection."""

    async def operate(self, agent: int) -> Taken | None:
        with contextlib.suppress(asyncio.CancelledError):
            await super().operate(agent)
        return None


async def test_a_cancellation_that_a_call_has_swallowed_ends_it_all_the_same(server_url: str) -> None:
    deaf = Deaf([])
    task = asyncio.create_task(measured(server_url, [deaf]))
    await deaf.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class LeftOut(Named):
    async def set_up(self, target: Target) -> None:
        await super().set_up(target)
        raise LeftOutError("there is no such server")


@pytest.mark.usefixtures("keys_left")
async def test_what_cannot_be_set_up_is_left_out_and_told(server_url: str) -> None:
    diary: list[str] = []
    report = await measured(server_url, [LeftOut("absent", diary), Named("one", diary)])
    assert report.left_out == {"absent": "there is no such server"}
    assert [result.name for result in report.groups[0].results] == ["one"]
    assert diary[0] == "end of absent"


async def test_keys_of_other_namespaces_stay(server_url: str, connection: Client) -> None:
    await connection.router.request("SET", "bench-mine", "kept")
    await connection.router.request("SET", "{rm:bench}:mine", "kept")
    await measured(server_url, [Named("one", [])])
    assert await connection.router.request("DEL", "bench-mine", "{rm:bench}:mine") == 2


async def test_in_a_cluster_each_namespace_is_removed_from_its_node(cluster_url: str) -> None:
    diary: list[str] = []
    async with place(cluster_url) as made:
        namespaces: list[str] = []
        for number in range(4):
            async with made.target() as target:
                await Named(str(number), diary).set_up(target)
                namespaces.append(target.namespace)
    for namespace in namespaces:
        client = await connect(cluster_url, namespace)
        assert await client.router.request("KEYS", f"{{rm:{namespace}*") == []
        await client.aclose()


async def test_a_user_who_could_not_remove_anything_is_refused_before_anything_is_written(
    server_url: str, connection: Client
) -> None:
    user = ("on", ">hush", "~*", "&*", "+@all", "-scan")
    await connection.router.request("ACL", "SETUSER", "bencher", *user)
    try:
        with pytest.raises(StorageUnavailableError, match="SCAN and UNLINK"):
            await measured(server_url.replace("unix://", "unix://bencher:hush@"), [Named("one", [])])
    finally:
        await connection.router.request("ACL", "DELUSER", "bencher")
    assert await connection.router.request("KEYS", "{rm:bench-*") == []
