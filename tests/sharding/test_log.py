"""The logs of several namespaces as one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.errors import EventsTrimmedError, ValidationError
from redis_mob.sharding import FleetOfNamespaces, NamespaceEvent, NamespacesFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.waiting import take
from tests.fleet.flows import FLOW
from tests.sharding.fleets import MANY, fleet_of, names

Seen = tuple[str, int]
"""The namespace and the cursor of an event."""


async def append(fleet: FleetOfNamespaces, places: list[int]) -> None:
    """Append an event in each of these namespaces, one after the other."""
    for place in places:
        await (await fleet.storage(fleet.namespaces[place])).events.append(numbered(place))


async def stored(fleet: FleetOfNamespaces) -> set[Seen]:
    """All events that there are."""
    logs = {name: await (await fleet.storage(name)).events.replay_all() for name in fleet.namespaces}
    return {(name, event.cursor) for name, events in logs.items() for event in events}


async def rest(fleet: FleetOfNamespaces, after: str | None) -> list[NamespaceEvent]:
    """What there is behind a cursor."""
    async with fleet.tail(after=after, follow=False) as log:
        return [event async for event in log]


def in_order(events: list[NamespaceEvent]) -> bool:
    """Whether the events of each namespace are in the order of their cursors."""
    cursors: dict[str, list[int]] = {}
    for one in events:
        cursors.setdefault(one.namespace, []).append(one.event.cursor)
    return all(first < second for one in cursors.values() for first, second in pairwise(one))


@MANY
@given(st.lists(st.integers(0, 2), max_size=25), st.lists(st.integers(0, 2), max_size=25))
def test_it_is_the_union_in_order_and_goes_on_from_every_cursor(before: list[int], later: list[int]) -> None:
    async def check() -> None:
        async with fleet_of("memory:", names(3)) as fleet:
            await append(fleet, before)
            async with fleet.tail() as log:
                beginning = log.cursor
            await append(fleet, later)
            events = await rest(fleet, beginning)
            assert {(one.namespace, one.event.cursor) for one in events} == {
                (name, cursor) for name, cursor in await stored(fleet) if cursor > before.count(_place(fleet, name))
            }
            assert in_order(events)
            for number, one in enumerate(events):
                assert {(next_.namespace, next_.event.cursor) for next_ in await rest(fleet, one.cursor)} == {
                    (next_.namespace, next_.event.cursor) for next_ in events[number + 1 :]
                }

    asyncio.run(check())


def _place(fleet: FleetOfNamespaces, name: str) -> int:
    return fleet.namespaces.index(name)


async def test_it_is_followed_over_all_namespaces_also_those_that_are_added(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet, fleet.tail() as log:
        await append(fleet, [0, 1, 0])
        seen = await take(log, 3)
        added = names(1)[0]
        async with MobStorage.open(url, namespace=added) as storage:
            await storage.events.append(numbered(0))  # before it is one of the fleet
            await fleet.add(added)
        await append(fleet, [2, 1])
        seen += await take(log, 3)
        assert {(one.namespace, one.event.cursor) for one in seen} == await stored(fleet)
        assert in_order(seen)


async def test_a_namespace_that_the_cursor_does_not_know_is_read_from_its_beginning(url: str) -> None:
    async with fleet_of(url, names(1)) as fleet:
        await append(fleet, [0])
        async with fleet.tail() as log:
            cursor = log.cursor
        await fleet.add(names(1)[0])
        await append(fleet, [1, 0, 1])
        assert sorted((one.namespace, one.event.cursor) for one in await rest(fleet, cursor)) == sorted(
            [(fleet.namespaces[1], 1), (fleet.namespaces[0], 2), (fleet.namespaces[1], 2)]
        )


async def test_events_that_are_gone_are_told_once_and_by_namespace(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet:
        async with fleet.tail() as log:
            cursor = log.cursor
        await append(fleet, [0, 0, 1])
        later = datetime.now(UTC) + timedelta(days=1)
        await (await fleet.storage(fleet.namespaces[0])).events.prune(later, structural=True)
        await append(fleet, [0])
        told: list[NamespacesFailedError] = []
        seen: list[Seen] = []
        async with fleet.tail(after=cursor) as log:
            while len(seen) < 2:
                try:
                    one = await anext(log)
                except NamespacesFailedError as error:
                    told.append(error)
                else:
                    seen.append((one.namespace, one.event.cursor))
        [error] = told
        assert isinstance(error.failures[fleet.namespaces[0]], EventsTrimmedError)
        assert set(error.failures) == {fleet.namespaces[0]}
        assert sorted(seen) == sorted([(fleet.namespaces[0], 3), (fleet.namespaces[1], 1)])


async def test_what_was_pruned_before_it_begins_is_not_told(url: str) -> None:
    async with fleet_of(url, names(1)) as fleet:
        await append(fleet, [0, 0])
        events = (await fleet.storage(fleet.namespaces[0])).events
        await events.prune(datetime.now(UTC) + timedelta(days=1), structural=True)
        async with fleet.tail() as log:
            await append(fleet, [0])
            assert (await anext(log)).event.cursor == 3


async def test_a_cancelled_wait_loses_nothing(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet, fleet.tail() as log:
        seen: list[NamespaceEvent] = []
        for place in (0, 1, 0, 1):
            waiting = asyncio.ensure_future(anext(log))
            await asyncio.sleep(0)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                seen.append(await waiting)
            await append(fleet, [place])
        seen += await take(log, 4 - len(seen))
        assert {(one.namespace, one.event.cursor) for one in seen} == await stored(fleet)


async def test_it_is_filtered_as_the_log_of_one_namespace(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet, fleet.working():
        async with fleet.tail(kinds=["flow_completed"]) as log:
            started = {await fleet.start(FLOW) for _ in range(4)}
            ended = await take(log, 4)
        assert {one.event.run_id for one in ended} == started
        with pytest.raises(ValidationError, match="flow_complete"):
            async with fleet.tail(kinds=["flow_complete"]):
                pass


async def test_a_reader_that_is_slow_ends_all_the_same(url: str) -> None:
    """The reading waits for the reader; when the block ends, that is over."""
    async with fleet_of(url, names(1)) as fleet:
        storage = await fleet.storage(fleet.namespaces[0])
        await storage.events.append_batch([numbered(1)] * 1500)
        for follow in (True, False):
            async with fleet.tail(after="e1.WzBd", follow=follow) as log:
                assert (await anext(log)).event.cursor == 1
