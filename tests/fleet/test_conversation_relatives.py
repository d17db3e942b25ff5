"""Runs that a run in a conversation has beside it: those of its sub-flows, and its forks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from redis_mob.errors import ConversationBusyError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.run import MobRun, MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, runs, step, with_flows

NESTED = with_flows(
    mob({"a": step(), "b": runs("inner", "a"), "c": step("b")}, limits={"max_step_retries": 0}),
    inner={"d": runs("innermost")},
    innermost={"e": step(role="reader")},
)
TALKS: dict[str, Any] = {"conversation": "c"}


async def says(ctx: StepContext) -> Any:
    """Append the step."""
    await ctx.conversation.append(ctx.step_id)
    return await ctx.conversation.history()


async def reads(ctx: StepContext) -> Any:
    """Give the history, and where it is from."""
    return [ctx.conversation.id, await ctx.conversation.history()]


async def ended(storage: MobStorage, reader: Any, **start: Any) -> MobRun:
    fleet = Fleet(storage, NESTED, {"reader": reader, "*": says})
    run_id = await fleet.start(FLOW, **start)
    async with fleet.working():
        return await fleet.wait(run_id, LONG)


async def values(storage: MobStorage, conversation: str = "c") -> list[Any]:
    return [one.value for one in await FleetAdmin(storage).conversation_history(conversation)]


async def innermost(storage: MobStorage, run: MobRun) -> MobRun:
    """The run of the innermost flow below a run."""
    for _ in range(2):
        [below] = (await FleetAdmin(storage).children(run.run_id)).runs
        run = await Fleet(storage, NESTED, {"*": says}).wait(below.run_id, LONG)
    return run


async def test_the_runs_of_sub_flows_read_the_conversation_above_them(storage: MobStorage) -> None:
    run = await ended(storage, reads, **TALKS)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    below = await innermost(storage, run)
    assert below.root_step_outputs["e"] == {"reader-1": ["c", ["a"]]}
    assert await values(storage) == ["a", "c"]
    # it has no turn of its own: the next run of the conversation begins
    assert (await ended(storage, reads, **TALKS)).status is MobRunStatus.COMPLETED


@pytest.mark.parametrize("handler", [says, isolated(isolated_handlers.converses)])
async def test_the_runs_of_sub_flows_do_not_change_it(storage: MobStorage, handler: Any) -> None:
    run = await ended(storage, handler, **TALKS)
    assert run.status is MobRunStatus.FAILED
    below = await innermost(storage, run)
    reason = below.failure_ledger[0].reason
    assert f"run {below.run_id} reads conversation 'c' of the run above it, and does not change it" in reason
    assert await values(storage) == ["a"]


async def test_without_a_conversation_above_they_have_none(storage: MobStorage) -> None:
    async def apart(ctx: StepContext) -> Any:
        return ctx.step_id

    fleet = Fleet(storage, NESTED, {"reader": reads, "*": apart})
    run_id = await fleet.start(FLOW)
    async with fleet.working():
        run = await fleet.wait(run_id, LONG)
    assert "has no conversation: start it with one" in (await innermost(storage, run)).failure_ledger[0].reason


ONE = mob({"a": step(), "b": step("a")})


@pytest.fixture
async def talked(storage: MobStorage) -> MobRun:
    """A run of a conversation that is over."""
    fleet = Fleet(storage, ONE, {"*": says})
    run_id = await fleet.start(FLOW, **TALKS)
    async with fleet.working():
        return await fleet.wait(run_id, LONG)


async def test_where_a_fork_converses_has_to_be_chosen(storage: MobStorage, talked: MobRun) -> None:
    with pytest.raises(ValidationError) as raised:
        await FleetAdmin(storage).fork(talked.run_id, "b")
    assert str(raised.value).startswith(
        f"run {talked.run_id} is in conversation 'c', whose history has what it appended"
    )
    assert "conversation=None (--no-conversation)" in str(raised.value)
    assert len((await FleetAdmin(storage).runs()).runs) == 1


async def test_a_fork_in_the_conversation_waits_for_its_turn_there(storage: MobStorage, talked: MobRun) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, ONE, {"*": says})
    active = await fleet.start(FLOW, **TALKS)
    with pytest.raises(ConversationBusyError):
        await admin.fork(talked.run_id, "b", conversation="c", on_busy="reject")
    forked = await admin.fork(talked.run_id, "b", conversation="c", idempotency_key="k")
    assert await admin.fork(talked.run_id, "b", conversation="c", idempotency_key="k") == forked
    async with fleet.working(), asyncio.timeout(LONG):
        outputs = [(await fleet.wait(run)).root_step_outputs["b"]["worker-1"] for run in (active, forked)]
    assert outputs == [["a", "b", "a", "b"], ["a", "b", "a", "b", "b"]]


async def test_a_fork_may_have_no_conversation(storage: MobStorage, talked: MobRun) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, ONE, {"*": reads})
    forked = await admin.fork(talked.run_id, "b", conversation=None)
    async with fleet.working():
        run = await fleet.wait(forked, LONG)
    assert "has no conversation" in run.failure_ledger[0].reason
    # of that it is forked again without a choice
    await admin.fork(forked)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"conversation": None, "on_busy": "reject"}, "on_busy needs a conversation"),
        ({"on_busy": "reject"}, "on_busy needs a conversation"),
        ({"conversation": "c", "at": datetime.now(UTC)}, "give at or conversation, not both"),
        ({"conversation": ""}, "conversation must be a text of 1 to 256 bytes"),
    ],
)
async def test_what_cannot_be_meant_is_refused(storage: MobStorage, talked: MobRun, given: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        await FleetAdmin(storage).fork(talked.run_id, "b", **given)


async def test_a_fork_is_not_put_into_the_conversation_of_another_flow(storage: MobStorage, talked: MobRun) -> None:
    other = Fleet(storage, mob({"x": step()}).model_copy(update={"id": "other"}), {"*": says})
    await other.start(FLOW, conversation="d")
    with pytest.raises(ValidationError, match="conversation 'd'"):
        await FleetAdmin(storage).fork(talked.run_id, "b", conversation="d")
