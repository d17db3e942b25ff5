"""What of a run differs between two cursors (contract: past-7)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob.errors import InternalError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_diff import Part, RunDiff
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.strategies import NEVER
from tests.fleet.working import at_work
from tests.operations.scenes import failed_chain


def told(diff: RunDiff) -> list[tuple[Part, str, object, object]]:
    """The changes but rows, whose values have times."""
    rows = (Part.STEP_ROW, Part.FAILURE_ROW)
    return [(one.part, one.name, one.before, one.after) for one in diff.changes if one.part not in rows]


async def cursors(storage: MobStorage, *kinds: str) -> list[int]:
    return [event.cursor for event in await storage.events.replay_all() if event.kind.type in kinds]


async def test_a_step_that_fails_between(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    [began, *_], [over] = await cursors(storage, "step_dispatched"), await cursors(storage, "flow_failed")
    diff = await FleetAdmin(storage).diff(run_id, began, over)
    root = f"{run_id}-root"
    assert (diff.run_id, diff.before, diff.after, diff.unknown) == (run_id, began, over, ())
    assert (Part.STATUS, "", "running", "failed") in told(diff)
    assert (Part.FRAME, root, "Running", "Failed") in told(diff)
    assert (Part.NODE, f"{root}/a", "Running", "Completed") in told(diff)
    assert next(one for one in told(diff) if one[0] is Part.OUTPUT)[:3] == (Part.OUTPUT, "a", None)
    rows = [one for one in diff.changes if one.part is Part.STEP_ROW]
    assert [one.name for one in rows][:1] == ["a[worker-1]"] and all(one.before is None for one in rows)
    assert [one.name for one in diff.changes if one.part is Part.FAILURE_ROW] == ["b"]
    back = await FleetAdmin(storage).diff(run_id, over, began)
    assert {(part, name, after, before) for part, name, before, after in told(back) if part is not Part.OUTPUT} == {
        one for one in told(diff) if one[0] is not Part.OUTPUT
    }
    assert (await FleetAdmin(storage).diff(run_id, over, over)).changes == ()


async def test_the_iterations_of_a_loop(storage: MobStorage) -> None:
    definition = mob({"a": step(policy="any")}, {"l": loop("polish", NEVER, 2, a=node("a"))})
    fleet = Fleet(storage, definition)
    async with at_work(storage, {"*": lambda ctx: ctx.iteration}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await fleet.wait(run_id)
    first, second = await cursors(storage, "step_completed")
    changes = told(await FleetAdmin(storage).diff(run_id, first, second))
    [over] = [one for one in changes if one[0] is Part.LOOP]
    assert [over[2], over[3]] == [
        {"phase": "Running", "stage": "BodyFrameActive", "iteration": 1},
        {"phase": "Exhausted", "stage": "AwaitingUntilEvaluation", "iteration": 2},
    ]
    assert (Part.OUTPUT, "polish[1]/a") in [one[:2] for one in changes]


async def test_an_output_of_null_is_one(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": step(policy="any")}))
    async with at_work(storage, {"*": lambda _: None}), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        await fleet.wait(run_id)
    [began], [over] = await cursors(storage, "step_dispatched"), await cursors(storage, "flow_completed")
    assert (Part.OUTPUT, "a", None, None) in told(await FleetAdmin(storage).diff(run_id, began, over))


async def test_times_stand_for_the_events_before_them(storage: MobStorage) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    run_id = await failed_chain(storage)
    admin, newest = FleetAdmin(storage), await storage.events.latest_cursor()
    diff = await admin.diff(run_id, before, datetime.now(UTC) + timedelta(minutes=1))
    assert (diff.before, diff.after) == (0, newest)
    assert diff.changes[0].model_dump() == {"part": "status", "name": "", "before": None, "after": "failed"}


@pytest.mark.parametrize("cursors", [(2**64, 1), (0, 2**64), (-1, 0), (0, 10**5000)])
async def test_what_is_no_cursor_is_refused(storage: MobStorage, cursors: tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match=r"(before|after) must be"):
        await FleetAdmin(storage).diff("00000000-0000-4000-8000-000000000000", *cursors)


async def test_what_cannot_be_compared(storage: MobStorage) -> None:
    run_id, admin = await failed_chain(storage), FleetAdmin(storage)
    with pytest.raises(NotFoundError, match=f"run {run_id} was there neither at cursor 0 nor at cursor 0"):
        await admin.diff(run_id, 0, 0)
    with pytest.raises(ValidationError, match="before must be an integer from 0"):
        await admin.diff(run_id, -1, 0)
    with pytest.raises(InternalError, match="after must be a time with a zone"):
        await admin.diff(run_id, 1, datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(ValidationError, match="a run is named by its id"):
        await admin.diff("chain", 1, 2)
    text: Any = "2h"
    with pytest.raises(ValidationError, match="before must be a cursor, which is an integer, or a datetime, not '2h'"):
        await admin.diff(run_id, text, 0)
    # what was not there is told alike by the moment of a run and by views
    with pytest.raises(NotFoundError, match=f"run {run_id} was not there at cursor 0"):
        await admin.state_at(run_id, 0)
    with pytest.raises(NotFoundError, match=f"run {run_id} was not there at 2026-01-01T00:00:00Z, which is cursor 0"):
        await admin.state_at(run_id, datetime(2026, 1, 1, tzinfo=UTC))
    assert await storage.at(0).runs.get_run(run_id) is None
