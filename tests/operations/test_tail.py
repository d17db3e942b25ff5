"""An operator follows the event log (contract: operations-22)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob.errors import EventsTrimmedError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.events import MobEvent
from redis_mob.models.progress import RunOver, StreamChunk
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.unknown_event import UnknownEvent
from redis_mob.operations import tailing
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.past import run_events
from redis_mob.past.run_events import beginning_of, cursor_before, run_of
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.driven_runs import ONE_STEP, pending
from redis_mob.testing.samples.new_events import new_event, numbered
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, loaded, run_flow
from tests.operations.scenes import CHAIN, failed_chain

UNKNOWN = "0191a6a0-0000-4000-8000-0000000000ff"


async def all_of(storage: MobStorage, run_id: str | None = None, **options: Any) -> list[MobEvent]:
    async with asyncio.timeout(LONG), FleetAdmin(storage).tail(run_id, **options) as events:
        return [event async for event in events]


async def two_runs(storage: MobStorage) -> tuple[str, str]:
    return await failed_chain(storage), await failed_chain(storage)


async def test_what_is_there_is_told_without_following(storage: MobStorage) -> None:
    assert await all_of(storage, after=0, follow=False) == []
    first, second = await two_runs(storage)
    everything = await storage.events.replay_all()
    assert await all_of(storage, after=0, follow=False) == everything
    assert await all_of(storage, after=3, follow=False) == everything[3:]
    assert await all_of(storage, follow=False) == []
    for run_id in (first, second):
        assert await all_of(storage, run_id, after=0, follow=False) == [e for e in everything if run_of(e) == run_id]
    assert await all_of(storage, second.upper(), after=0, follow=False) != []


async def test_filters(storage: MobStorage) -> None:
    first, second = await two_runs(storage)
    await storage.events.append(numbered(1))
    failed = await all_of(storage, after=0, follow=False, kinds=["flow_failed", "step_failed"])
    assert [event.kind.type for event in failed] == ["step_failed", "flow_failed"] * 2
    assert len(await all_of(storage, first, after=0, follow=False, kinds=["flow_failed"])) == 1
    assert await all_of(storage, after=0, follow=False, mob="other") == []
    of_flow = await all_of(storage, after=0, follow=False, flow=FLOW)
    assert of_flow == [event for event in await storage.events.replay_all() if run_of(event) in (first, second)]
    assert await all_of(storage, after=5, follow=False, flow=FLOW, kinds=["step_failed"])
    assert await all_of(storage, after=0, follow=False, flow="other") == []


async def test_following_a_run_ends_with_it(storage: MobStorage) -> None:
    fleet = Fleet(storage, CHAIN)
    run_id = await fleet.start(FLOW)
    following = asyncio.create_task(all_of(storage, run_id, after=0))
    from_now = asyncio.create_task(all_of(storage, run_id))
    await asyncio.sleep(0)
    async with at_work(storage, {"*": lambda _: 1}):
        told = await following
        await from_now
    assert [told[0].kind.type, told[-1].kind.type] == ["flow_started", "flow_completed"]
    assert all(run_of(event) == run_id for event in told)


async def test_following_a_run_that_is_over_ends_at_once(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    assert await all_of(storage, run_id) == []
    assert (await all_of(storage, run_id, after=0))[-1].kind.type == "flow_failed"
    newest = await storage.events.latest_cursor()
    assert await all_of(storage, run_id, after=newest) == []


async def test_a_run_whose_end_is_not_in_the_log_ends_too(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "LOOK_SECONDS", 0.05)
    run_id = (run := pending(ONE_STEP)[0]).run_id
    await storage.runs.create_run(run)
    async with asyncio.timeout(LONG), FleetAdmin(storage).tail(run_id, after=0) as events:
        for before, after in (("pending", "running"), ("running", "completed")):
            expected, following = MobRunStatus(before), MobRunStatus(after)
            assert await storage.runs.cas_run_status(run_id, expected=expected, next=following)
        assert [event async for event in events] == []


async def test_with_until_over_false_it_goes_on(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    async with FleetAdmin(storage).tail(run_id, after=0, until_over=False) as events:
        told = [await anext(events) for _ in range(await storage.events.latest_cursor())]
        assert told[-1].kind.type == "flow_failed"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(events)


async def test_an_error_is_raised_once_and_then_it_goes_on(storage: MobStorage) -> None:
    await storage.events.append_batch([numbered(number) for number in range(3)])
    await storage.events.prune(datetime.now(UTC) + timedelta(days=1), structural=True)
    last = await storage.events.append(numbered(9))
    async with FleetAdmin(storage).tail(after=0) as events:
        with pytest.raises(EventsTrimmedError):
            await anext(events)
        assert await anext(events) == last


async def test_where_a_run_begins_is_found_without_reading_what_came_before(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "EARLIER", timedelta())
    await storage.events.append_batch([numbered(number, timestamp=OLD) for number in range(50)])
    run_id = await failed_chain(storage)
    view = await loaded(storage, run_id)
    assert await cursor_before(storage.events, view.launched_at) == 50
    assert await beginning_of(storage.events, run_id, view.launched_at) == 50
    # a clock that went back: the first event found is not the first of the run, so that all is read
    assert await beginning_of(storage.events, run_id, datetime.now(UTC) + timedelta(hours=1)) == 0
    middle = (await storage.events.poll(52, 1))[0].timestamp + timedelta(microseconds=1)
    assert await beginning_of(storage.events, run_id, middle) == 0
    assert len(await all_of(storage, run_id, after=0)) == await storage.events.latest_cursor() - 50


async def test_events_of_unknown_kinds_are_found_by_their_kind_and_run(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    kinds = ("mob_exploded", "remote_host_bind_started")
    unknown = [UnknownEvent(type=kind, run_id=run_id, flow_id="x") for kind in kinds]
    stored = [await storage.events.append(new_event(kind)) for kind in unknown]
    for number, kind in enumerate(kinds):
        assert await all_of(storage, after=0, follow=False, kinds=[kind]) == [stored[number]]
    assert (await all_of(storage, run_id, after=0, follow=False, until_over=False))[-2:] == stored
    assert await all_of(storage, after=0, follow=False, flow="x") == stored


async def test_what_is_refused(storage: MobStorage) -> None:
    nonsense: Any = 7
    wrong: dict[str, Any]
    for wrong, message in (
        ({"kinds": ["step_faild"]}, "no event is of kind 'step_faild'; nearest: 'step_failed'"),
        ({"kinds": nonsense}, "kinds"),
        ({"mob": nonsense}, "mob must be a text"),
        ({"flow": nonsense}, "flow must be a text"),
        ({"after": -1}, "after must be an integer from 0"),
        ({"follow": nonsense}, "follow must be True or False"),
        ({"until_over": nonsense}, "until_over must be True or False"),
        ({"run_id": "nonsense"}, "a run is named by its id"),
        ({"run_id": nonsense}, "run_id must be a text"),
    ):
        with pytest.raises(ValidationError, match=message):
            await all_of(storage, **wrong)
    with pytest.raises(NotFoundError, match=UNKNOWN):
        await all_of(storage, UNKNOWN)


async def test_an_operator_watches_a_run_without_its_definition(storage: MobStorage) -> None:
    async def tell(ctx: Any) -> None:
        await ctx.stream("word")

    ended = await run_flow(storage, mob({"a": step()}), tell)
    async with FleetAdmin(storage).watch(ended.run_id) as progress:
        told = [entry async for entry in progress]
    assert isinstance(told[0], StreamChunk)
    assert isinstance(told[-1], RunOver)
    async with FleetAdmin(storage).watch(ended.run_id, "other", told[0].offset) as progress:
        assert [entry.kind async for entry in progress] == ["end", "run_over"]


OLD = datetime(2020, 1, 1, tzinfo=UTC)
