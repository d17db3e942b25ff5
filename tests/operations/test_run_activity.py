"""What goes on in runs that are under way, and what they wait for (contract: operations-231)."""

from __future__ import annotations

import asyncio

from redis_mob.cli.run_list import ListedRuns, page_lines
from redis_mob.cli.run_tree import head
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepThrottled
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.transition import RunView
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_activity import activities
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step, wait
from tests.operations.scenes import LATER, fail, under_way

DEFINITION = mob(
    {"a": step(retry=LATER), "b": wait(), "c": step(role="ghost"), "d": step(role="judge"), "e": step("b")}
)


async def take_long(_: StepContext) -> None:
    await asyncio.sleep(3600)


async def listed(storage: MobStorage) -> tuple[str, ListedRuns]:
    page = await FleetAdmin(storage).runs()
    found = ListedRuns(page, await activities(storage, page.runs))
    return "\n".join(line.plain for line in page_lines(found, None)), found


async def test_a_list_says_what_goes_on_and_what_is_waited_for(storage: MobStorage) -> None:
    def is_so_far(view: RunView) -> bool:
        executions = list(view.executions.values())
        at_work = [one for one in executions if one.status is ExecutionStatus.LEASED and one.role == "judge"]
        return bool(at_work) and any(one.attempt == 2 for one in executions)

    async with under_way(storage, DEFINITION, {"worker": fail, "judge": take_long}, is_so_far) as run_id:
        text, found = await listed(storage)
        activity = found.activities[run_id]
    assert (activity.under_way, activity.queued, activity.signals) == (1, ("ghost",), ("go",))
    assert len(activity.retries) == 1
    assert "1 under way, 1 queued for ghost, 1 to be tried again in 16 m" in text
    assert "waits for signal go" in text


async def test_what_is_throttled_is_told_apart_from_what_has_failed(storage: MobStorage) -> None:
    def throttled(_: StepContext) -> None:
        raise StepThrottled("429", retry_after=1000)

    def is_so_far(view: RunView) -> bool:
        return any(one.throttled for one in view.executions.values())

    async with under_way(storage, mob({"a": step()}), {"worker": throttled}, is_so_far) as run_id:
        text, found = await listed(storage)
        described = await FleetAdmin(storage).describe(run_id)
    activity = found.activities[run_id]
    assert (len(activity.throttled), activity.retries) == (1, ())
    assert "1 throttled for 16 m" in text
    assert "a: its service, which has throttled it once, for 16 m" in "\n".join(line.plain for line in head(described))


async def test_a_run_that_has_not_begun_is_not_read(storage: MobStorage) -> None:
    await Fleet(storage, DEFINITION).start(FLOW)
    _, found = await listed(storage)
    assert found.activities == {}


async def test_why_a_run_is_paused_stands_in_lists_and_with_what_waits(storage: MobStorage) -> None:
    """contract: operations-231."""
    admin = FleetAdmin(storage)
    is_queued = {"a": step(), "b": step(role="judge")}

    def is_so_far(view: RunView) -> bool:
        return any(one.status is ExecutionStatus.LEASED for one in view.executions.values())

    async with under_way(storage, mob(is_queued), {"judge": take_long}, is_so_far) as run_id:
        assert await admin.pause(run_id, reason="the night shift")
        text, _ = await listed(storage)
        described = await admin.describe(run_id)
    assert "1 under way, paused: run (the night shift)" in text
    [waits] = [one.waits_for for _, seen in described.each_step() for one in seen.members if one.waits_for]
    assert (waits.kind, waits.text) == ("pause", "the end of the pause")
