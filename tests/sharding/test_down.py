"""A namespace whose server is down hides no other, and is told by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import MobStoreError, ReadFailedError, StorageUnavailableError
from redis_mob.fleet.step_context import StepContext
from redis_mob.sharding import FleetOfNamespaces, NamespacesFailedError, merged_log
from redis_mob.sharding.key_slots import preferred, slot_of_key
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.servers.node import Node, started
from redis_mob.testing.waiting import LONG, until
from tests.fleet.flows import FLOW, mob, step
from tests.sharding.fleets import fleet_of, names

T = TypeVar("T")

SOON = RetryPolicy(deadline=0.5)
MEMBERS = 24


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A server of its own, which keeps what it has when it is killed."""

    def make(port: int) -> Node:
        settings = ("--dir", str(tmp_path), "--save", "", "--appendonly", "yes", "--appendfsync", "always")
        return Node(port, [str(find_server()), "--port", str(port), "--bind", "127.0.0.1", *settings])

    made = started(make)
    yield made
    if made.is_running:
        made.kill()


async def once_back(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, once the storage finds that its server is back, which it does not try all the time."""
    async with asyncio.timeout(LONG):
        while True:
            try:
                return await ask()
            except MobStoreError:
                await asyncio.sleep(0.05)


def url_of(node: Node) -> str:
    return f"redis://127.0.0.1:{node.port}"


async def failed(fleet: FleetOfNamespaces, namespace: str, asked: Awaitable[object]) -> NamespacesFailedError:
    """The error of a call over all namespaces, which says that this one failed, and no other."""
    with pytest.raises(NamespacesFailedError, match=f"'{namespace}'") as raised:
        await asked
    assert list(raised.value.failures) == [namespace]
    assert isinstance(raised.value.failures[namespace], MobStoreError)
    assert len(fleet.namespaces) == 2
    return raised.value


async def test_what_is_asked_of_all_gives_the_answers_of_the_others(server_url: str, node: Node) -> None:
    up, down = of = names(2)
    async with fleet_of(server_url, of, urls={down: url_of(node)}, retry=SOON) as fleet:
        started_there = [await (await fleet.fleet(name)).start(FLOW) for name in (up, down, up)]
        first = await fleet.runs(limit=1)
        node.kill()
        error = await failed(fleet, down, fleet.stats())
        assert list(error.partial) == [up]
        error = await failed(fleet, down, fleet.pause_mob("mob"))
        assert error.partial == {up: True}
        error = await failed(fleet, down, fleet.count())
        assert sum(error.partial.values()) == 2
        error = await failed(fleet, down, fleet.runs(after=first.next))
        assert [one.run.run_id for one in error.partial.runs] == [started_there[0]]
        node.start_again()
        # the list goes on where it was, in the namespace that had failed
        rest = await once_back(lambda: fleet.runs(after=error.partial.next))
        assert [one.run.run_id for one in rest.runs] == [started_there[1]]
        assert rest.next is None
        assert await fleet.pause_mob("mob") == {up: False, down: True}


async def test_a_start_without_a_key_goes_elsewhere_and_one_with_a_key_is_refused(server_url: str, node: Node) -> None:
    up, down = of = names(2)
    async with fleet_of(server_url, of, urls={down: url_of(node)}, retry=SOON) as fleet:
        key = next(key for key in map(str, range(100)) if preferred(slot_of_key(key), range(2)) == 1)
        there = await fleet.start(FLOW, key=key)
        node.kill()
        # until its connection is known to be lost, what became of a start there may be unknown
        with pytest.raises(ReadFailedError):
            await fleet.namespace_of(there)
        assert {await fleet.namespace_of(await fleet.start(FLOW)) for _ in range(4)} == {up}
        with pytest.raises(MobStoreError):
            await fleet.start(FLOW, key=key)
        # whether it has a run whose id tells nothing cannot be said
        await failed(fleet, down, fleet.namespace_of("00000000-0000-4000-8000-000000000000"))
        node.start_again()
        assert await once_back(lambda: fleet.namespace_of(there)) == down


async def test_a_fleet_opens_and_works_without_one_of_its_namespaces(
    server_url: str, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    _, down = of = names(2)
    async with fleet_of(server_url, of, urls={down: url_of(node)}) as fleet:
        waiting = await (await fleet.fleet(down)).start(FLOW)
    node.kill()
    async with fleet_of(server_url, of[:1], urls={down: url_of(node)}, retry=SOON) as fleet:
        assert f"namespace '{down}' of the fleet cannot be opened" in caplog.text
        async with fleet.working():
            assert (await fleet.wait(await fleet.start(FLOW))).status == "completed"
            node.start_again()
            assert (await fleet.wait(waiting, timeout=60)).status == "completed"


async def test_the_log_of_the_others_goes_on_and_an_outage_is_told_once(
    server_url: str, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    up, down = of = names(2)
    async with fleet_of(server_url, of, urls={down: url_of(node)}, retry=SOON) as fleet:
        async with fleet.tail() as log:
            cursor = log.cursor
        there, here = (await fleet.storage(down)).events, (await fleet.storage(up)).events
        await there.append(numbered(1))
        subscribe, tried = type(there).subscribe, 0

        def counted(events: Any, after: int | None = None) -> AbstractAsyncContextManager[Any]:
            nonlocal tried
            tried += events is there
            return subscribe(events, after)

        monkeypatch.setattr(type(there), "subscribe", counted)
        monkeypatch.setattr(merged_log, "PAUSE_SECONDS", 0.01)
        node.kill()
        async with fleet.tail(after=cursor) as log:
            with pytest.raises(NamespacesFailedError) as raised:
                await anext(log)
            assert list(raised.value.failures) == [down]
            await until(lambda: tried > 3)
            await here.append(numbered(2))
            assert (await anext(log)).namespace == up
            node.start_again()
            one = await anext(log)
            assert (one.namespace, one.event.cursor) == (down, 1)


async def test_the_first_namespace_may_be_on_another_server_than_the_others(server_url: str, node: Node) -> None:
    first, second = of = names(2)
    async with fleet_of(server_url, of, urls={first: url_of(node)}) as fleet:
        assert await (await fleet.storage(first)).records.collections() == ["redis_mob.namespaces"]
        assert str(node.port) in (await fleet.storage(first)).url
        assert str(node.port) not in (await fleet.storage(second)).url


async def test_a_worker_ends_when_no_namespace_can_be_used(node: Node) -> None:
    of = names(2)
    async with fleet_of(url_of(node), of, retry=SOON) as fleet:
        node.kill()
        with pytest.raises(NamespacesFailedError) as raised:
            await fleet.work()
        assert set(raised.value.failures) == set(of)


async def test_the_first_namespace_has_to_be_there(node: Node) -> None:
    url = url_of(node)
    node.kill()
    with pytest.raises(StorageUnavailableError):
        async with fleet_of(url, names(2), retry=SOON):
            pass


async def test_a_namespace_with_much_to_do_leaves_slots_to_one_that_comes_later(server_url: str) -> None:
    """Handlers end one at a time: the later one has half of the slots by then, though the first has more waiting."""
    of = names(2)
    begun: dict[str, list[asyncio.Event]] = {name: [] for name in of}

    async def hold(ctx: StepContext) -> str:
        begun[ctx.params["where"]].append(done := asyncio.Event())
        await done.wait()
        return "held"

    wide = mob({"wide": step()})
    async with fleet_of(server_url, of, wide, handlers={"*": hold}, members={"worker": MEMBERS}) as fleet:
        busy = await (await fleet.fleet(of[0])).start(FLOW, {"where": of[0]})
        async with fleet.working(4):
            await until(lambda: len(begun[of[0]]) == 4)
            late = await (await fleet.fleet(of[1])).start(FLOW, {"where": of[1]})
            ended = 0
            while len(begun[of[1]]) < 2:
                before = sum(map(len, begun.values()))
                begun[of[0]][ended].set()
                ended += 1
                await until(lambda before=before: sum(map(len, begun.values())) > before)
                assert sum(map(len, begun.values())) - ended <= 4
            assert len(begun[of[0]]) < MEMBERS
            over = asyncio.gather(fleet.wait(busy), fleet.wait(late))
            while not over.done():
                for name in of:
                    for event in begun[name]:
                        event.set()
                await asyncio.wait([over], timeout=0.01)
            assert {run.status for run in over.result()} == {"completed"}
