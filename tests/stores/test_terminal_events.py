"""A flow terminates once, and a step fails once, on whatever path it is told (cases 21-28, decisions 2 and 14)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.errors import CasConflictError, InternalError
from redis_mob.models import FlowStarted, MobReset, NewMobEvent, StepCompleted
from redis_mob.storage import MobStorage
from redis_mob.stores.events import RedisEventStore
from redis_mob.testing.samples.new_events import (
    OTHER_RUN,
    RUN,
    canceled,
    completed,
    failed,
    new_event,
    numbered,
    step_failed,
)
from tests.stores.conftest import Opener
from tests.stores.processes import run_together
from tests.support.raw import add_event

AFTER_ALL = datetime.max.replace(tzinfo=UTC)
TERMINAL = [completed, failed, canceled]


@pytest.mark.parametrize("first", TERMINAL)
@pytest.mark.parametrize("second", TERMINAL)
async def test_case_021_the_first_terminal_event_wins(events: RedisEventStore, first, second) -> None:
    stored = await events.append_terminal_event_if_absent(first())
    assert await events.append_terminal_event_if_absent(second()) is None
    assert await events.replay_all() == [stored]


async def test_case_022_another_run_or_flow_or_mob_is_another_identity(events: RedisEventStore) -> None:
    others = [completed(), completed(OTHER_RUN), completed(flow_id="deploy"), completed(mob="other")]
    stored = [await events.append_terminal_event_if_absent(event) for event in others]
    assert [event and event.cursor for event in stored] == [1, 2, 3, 4]


@pytest.mark.usefixtures("server_url")
async def test_the_parts_of_an_identity_do_not_run_together(events: RedisEventStore) -> None:
    assert await events.append_terminal_event_if_absent(completed(flow_id="xmob", mob=""))
    assert await events.append_terminal_event_if_absent(completed(flow_id="x", mob="mob"))
    assert await events.append_terminal_event_if_absent(completed(flow_id="", mob="mobx"))


@pytest.mark.parametrize("kind", [StepCompleted(run_id=RUN, step_id="a"), MobReset()])
async def test_case_023_an_event_that_ends_no_flow_is_refused(events: RedisEventStore, kind) -> None:
    with pytest.raises(InternalError, match=f"{kind.type} ends no flow"):
        await events.append_terminal_event_if_absent(new_event(kind))
    assert await events.replay_all() == []


async def test_case_024_concurrent_terminal_events_of_several_storages(open_storage: Opener) -> None:
    stores = [(await open_storage()).events for _ in range(5)]
    stored = await asyncio.gather(
        *(store.append_terminal_event_if_absent(event()) for store in stores for event in (completed, failed))
    )
    assert [event for event in stored if event] == await stores[0].replay_all()
    assert len([event for event in stored if event]) == 1


@pytest.mark.usefixtures("server_url")
async def test_case_024_concurrent_terminal_events_of_several_processes(storage: MobStorage) -> None:
    runs = [str(uuid4()) for _ in range(50)]
    results = await run_together("terminate", storage, runs, runs, runs)
    for run, cursors in zip(runs, zip(*results, strict=True), strict=True):
        assert len([cursor for cursor in cursors if cursor is not None]) == 1, run
    assert await storage.events.latest_cursor() == len(runs)


@pytest.mark.parametrize("plain", ["append", "append_batch"])
async def test_case_025_a_plain_append_counts_too(events: RedisEventStore, plain: str) -> None:
    await (events.append(failed()) if plain == "append" else events.append_batch([numbered(1), failed()]))
    assert await events.append_terminal_event_if_absent(completed()) is None


async def test_case_026_a_plain_append_allows_a_second_terminal_event(events: RedisEventStore) -> None:
    await events.append(completed())
    await events.append(failed())
    await events.append_batch([canceled(), completed()])
    assert len(await events.replay_all()) == 4
    assert await events.append_terminal_event_if_absent(completed()) is None


async def test_case_027_a_pruned_flow_cannot_terminate_again_by_decision_2(events: RedisEventStore) -> None:
    await events.append_terminal_event_if_absent(completed())
    assert await events.prune(AFTER_ALL) == 1
    assert await events.append_terminal_event_if_absent(completed()) is None
    assert await events.replay_all() == []


async def test_a_cleared_flow_can_terminate_again(events: RedisEventStore) -> None:
    await events.append_terminal_event_if_absent(completed())
    await events.clear()
    again = await events.append_terminal_event_if_absent(completed())
    assert again is not None
    assert again.cursor == 2


async def test_case_028_an_unreadable_row_of_another_run_does_not_matter(
    events: RedisEventStore, connection: Connection, keys: Keys
) -> None:
    await add_event(connection, keys, kind=b"not JSON")
    assert await events.append_terminal_event_if_absent(completed()) is not None
    assert await events.append_terminal_event_if_absent(completed()) is None


async def test_a_step_fails_once_by_decision_14(events: RedisEventStore) -> None:
    stored = await events.append_step_failed_event_if_absent(step_failed())
    assert stored is not None
    assert await events.append_step_failed_event_if_absent(step_failed()) is None
    with pytest.raises(CasConflictError, match="step_failed"):
        await events.append_step_failed_event_if_absent(step_failed(reason="exit 2"))
    assert await events.replay_all() == [stored]


async def test_a_failed_step_is_told_apart_by_mob_run_and_step(events: RedisEventStore) -> None:
    others = [step_failed(), step_failed("test"), step_failed(run_id=OTHER_RUN), step_failed(mob="other")]
    stored = [await events.append_step_failed_event_if_absent(event) for event in others]
    assert [event and event.cursor for event in stored] == [1, 2, 3, 4]


async def test_a_plain_step_failed_event_counts_too(events: RedisEventStore) -> None:
    await events.append_batch([step_failed(), step_failed(reason="exit 2")])
    assert await events.append_step_failed_event_if_absent(step_failed()) is None
    assert await events.append_step_failed_event_if_absent(step_failed(reason="exit 2")) is None
    with pytest.raises(CasConflictError):
        await events.append_step_failed_event_if_absent(step_failed(reason="exit 3"))


async def test_only_step_failed_events_are_taken_as_such(events: RedisEventStore) -> None:
    for event in (completed(), NewMobEvent(mob_id="mob", kind=FlowStarted(run_id=RUN, flow_id="review", params={}))):
        with pytest.raises(InternalError, match="a step_failed event is needed"):
            await events.append_step_failed_event_if_absent(event)
    assert await events.replay_all() == []


async def test_the_time_of_a_step_failed_event_is_not_its_content(events: RedisEventStore) -> None:
    event = step_failed()
    assert await events.append_step_failed_event_if_absent(event.model_copy(update={"timestamp": AFTER_ALL}))
    assert await events.append_step_failed_event_if_absent(event) is None
