"""Handlers that ask people: they end until there is an answer, and find it when they run again."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.codec.asks import encode_place
from redis_mob.errors import CasConflictError, NotFoundError, ValidationError, WaitTimeoutError
from redis_mob.fleet import engine
from redis_mob.fleet.asking import AskTimeoutError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.outcome import NewAsk, Suspended
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.models.ask import Answer
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import HandlerSuspended, KeptCheckpoints, run_flow, step_context
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, must, started
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.asking import answer, asked
from tests.fleet.flows import FLOW, mob, step, supervisor
from tests.fleet.test_signals import UNKNOWN
from tests.fleet.working import at_work, check_told_once, loaded, whole

ONE = mob({"a": step()}, limits={"max_step_retries": 2})
TEXT = {"type": "string"}

Asker = Callable[[StepContext], Awaitable[Any]]


async def ended(storage: MobStorage, run_id: str, definition: MobDefinition = ONE) -> Any:
    async with asyncio.timeout(LONG):
        return await Fleet(storage, definition).wait(run_id)


async def told(ctx: StepContext) -> Any:
    """What is answered to one ask, as JSON."""
    return (await ctx.ask("ok", {"n": 1})).model_dump(mode="json")


async def start(storage: MobStorage, handler: Any = told, definition: MobDefinition = ONE) -> str:
    return await Fleet(storage, definition, {"*": handler}).start(FLOW)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({}, {"approved": True, "value": {"n": 1}}),
        ({"value": None, "by": "ann"}, {"approved": True, "value": None, "edited": True, "by": "ann"}),
        ({"value": [2]}, {"approved": True, "value": [2], "edited": True}),
        ({"approved": False, "message": "no"}, {"approved": False, "value": None, "message": "no"}),
    ],
)
async def test_a_handler_gets_what_was_answered(
    storage: MobStorage, other_storage: MobStorage, given: dict[str, Any], got: dict[str, Any]
) -> None:
    run_id = await start(storage)
    async with at_work(storage, {"*": told}):
        await answer(other_storage, **given)
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": got}
    await check_told_once(storage, await whole(storage, run_id))
    assert await storage.asks.pending() == []
    assert not (await loaded(storage, run_id)).signals


async def test_nothing_before_the_ask_is_called_again_and_no_attempt_is_used_up(storage: MobStorage) -> None:
    calls: Counter[str] = Counter()

    async def handler(ctx: StepContext) -> Any:
        calls["handler"] += 1
        first = await ctx.once("draft", lambda: calls.update(["draft"]) or "text")
        answers = [(await ctx.ask("ok", first)).value for _ in range(2)]
        return [await ctx.once("send", lambda: calls.update(["send"]) or answers), ctx.attempt]

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        await answer(storage, value="one")
        await answer(storage, value="two")
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": [["one", "two"], 1]}
    assert calls == {"handler": 3, "draft": 1, "send": 1}
    [(_, execution)] = (await loaded(storage, run_id)).executions.items()
    assert (execution.attempt, execution.fencing_token, execution.asks) == (1, 3, ())


async def test_who_asks_holds_no_slot_and_counts_against_no_limit(storage: MobStorage) -> None:
    definition = mob({"a": step(concurrency={"limit": 1})}, limits={"max_concurrency": {"worker": 1}})
    handler = told
    ids = [await start(storage, handler, definition) for _ in range(5)]
    async with at_work(storage, {"*": handler}, concurrency=1):
        for one in await asked(storage, 5):
            assert await FleetAdmin(storage).answer(one.ask.id)
        assert {(await ended(storage, run_id, definition)).status for run_id in ids} == {"completed"}


async def test_several_asks_at_once_are_answered_in_any_order(storage: MobStorage) -> None:
    seen: list[int] = []

    async def handler(ctx: StepContext) -> Any:
        seen.append(1)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ctx.ask(f"k{number}", number)) for number in range(3)]
            group.create_task(ctx.once("slow", _slow))
        return [task.result().value for task in tasks]

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        found = {one.ask.kind: one for one in await asked(storage, 3)}
        first = [one.place for one in found.values()]
        for kind in ("k2", "k0"):
            assert await FleetAdmin(storage).answer(found[kind].ask.id, value=kind)
        [left] = await asked(storage, 1)
        assert left.place in first, "it is the same ask as before"
        assert await FleetAdmin(storage).answer(left.ask.id, approved=False)
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": ["k0", None, "k2"]}
    kept = await storage.checkpoints.of_run(run_id)
    assert [one.name for one in next(iter(kept.values()))].count("slow") == 1


async def test_a_call_that_is_kept_may_ask(storage: MobStorage) -> None:
    called: list[int] = []

    async def handler(ctx: StepContext) -> Any:
        async def tool(number: int) -> Any:
            called.append(number)
            return (await ctx.ask("ok", number)).value

        return await asyncio.gather(*(ctx.once("tool", tool, number) for number in (1, 2)), ctx.once("slow", _slow))

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        for one in await asked(storage, 2):
            assert await FleetAdmin(storage).answer(one.ask.id)
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": [1, 2, 1]}
    kept = await storage.checkpoints.of_run(run_id)
    assert [one.name for one in next(iter(kept.values()))].count("slow") == 1


async def _slow() -> int:
    for _ in range(50):
        await asyncio.sleep(0)
    return 1


async def test_an_answer_that_comes_while_the_handler_runs_wakes_it_again(storage: MobStorage) -> None:
    run = await started(storage.executions, ONE_STEP)
    [key] = keys_of(await run.view())
    asks = tuple(NewAsk(kind, 0, "d", None) for kind in ("x", "y"))

    await run.ask(key, *asks)
    first, second = sorted(await asked(storage, 2), key=lambda one: one.ask.kind)
    assert await FleetAdmin(storage).answer(first.ask.id)
    await run.advance()
    await run.claim(key)
    assert await FleetAdmin(storage).answer(second.ask.id)  # its handler has not found it when it looked
    held = (await run.view()).executions[key]
    assert engine.advance(await run.view(), ONE_STEP) is None, "what is under way is left alone"
    assert held.lease is not None
    again = engine.report(await run.view(), ONE_STEP, key, Suspended(asks[1:]), token=held.lease.fencing_token)
    assert await storage.executions.commit(must(again))
    await run.advance()
    view = await run.view()
    assert view.executions[key].status is ExecutionStatus.WAITING
    assert (view.executions[key].asks, dict(view.signals)) == ((), {})
    assert await storage.asks.pending() == []


async def test_a_handler_may_go_on_without_an_answer_in_time(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        try:
            return (await ctx.ask("ok", timeout=0.05)).approved
        except AskTimeoutError as error:
            return [error.kind, str(error)]

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": ["ok", "the ask 'ok' was not answered in time"]}
    assert await storage.asks.pending() == []


async def test_a_time_that_is_over_fails_the_attempt_and_stays_over(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        return await ctx.ask("ok", timeout=timedelta(milliseconds=50))

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        run = await ended(storage, run_id)
    assert run.status == "failed"
    [failure] = run.failure_ledger
    assert failure.reason == "AskTimeoutError: the ask 'ok' was not answered in time"
    [(_, execution)] = (await loaded(storage, run_id)).executions.items()
    assert execution.attempt == 3


async def test_an_answer_and_the_end_of_the_time_never_both_count(storage: MobStorage) -> None:
    for answered_first in (True, False):
        run = await started(storage.executions, ONE_STEP)
        [key] = keys_of(await run.view())
        await run.ask(key, NewAsk("ok", 0, "d", None, timeout_ms=0))
        transition = must(engine.advance(await run.view(), ONE_STEP))
        assert [ask.kind for _, ask in transition.late_asks] == ["ok"]
        [one] = await asked(storage)
        if answered_first:
            assert await FleetAdmin(storage).answer(one.ask.id)
            assert await storage.executions.commit(transition) is Commit.LOST
        else:
            assert await storage.executions.commit(transition)
            with pytest.raises(NotFoundError, match="its time is over"):
                await FleetAdmin(storage).answer(one.ask.id, run_id=one.run_id)
        found = await storage.checkpoints.find(run.run_id, key, "\0ask:ok", 0)
        assert found is not None
        assert (found.value == "timed out") is not answered_first
        assert await storage.asks.pending() == []


async def test_what_has_changed_is_asked_anew_in_its_place(storage: MobStorage) -> None:
    version = ["first"]

    async def handler(ctx: StepContext) -> Any:
        return (await asyncio.gather(ctx.ask("ok", version[0]), ctx.ask("other")))[0].value

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        before = {one.ask.kind: one.ask for one in await asked(storage, 2)}
        version[0] = "second"
        await answer(storage, "other")
        async with asyncio.timeout(LONG), storage.executions.listen(run_id) as wake_up:
            while (new := (await asked(storage))[0]).ask.payload != "second":
                await wake_up.wait(0.05)
        assert new.ask.id != before["ok"].id
        with pytest.raises(NotFoundError):
            await FleetAdmin(storage).answer(before["ok"].id)
        await answer(storage)
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": "second"}


async def test_an_attempt_that_fails_keeps_what_is_asked(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        answers = await asyncio.gather(ctx.ask("one"), ctx.ask("two"), return_exceptions=True)
        if ctx.attempt == 1 and isinstance(answers[0], Answer):
            raise StepFailed("once")
        for one in answers:
            if isinstance(one, BaseException):
                raise one
        return ctx.attempt

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        places = {one.ask.kind: one.place for one in await asked(storage, 2)}
        await answer(storage, "one")
        await answer(storage, "two")
        run = await ended(storage, run_id)
        assert run.root_step_outputs["a"] == {"worker-1": 2}
    assert places["two"].ask_id


async def test_a_plain_function_asks(storage: MobStorage) -> None:
    def handler(ctx: StepContext) -> Any:
        return [ctx.call_once("n", lambda: 1), ctx.call_ask("ok", "text").value]

    run_id = await start(storage, handler)
    async with at_work(storage, {"*": handler}):
        await answer(storage)
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": [1, "text"]}


@pytest.mark.parametrize("handler", [isolated_handlers.ask, isolated_handlers.ask_plainly])
async def test_an_isolated_handler_asks(storage: MobStorage, handler: Any) -> None:
    run_id = await start(storage, isolated(handler))
    async with at_work(storage, {"*": isolated(handler)}):
        await answer(storage, value=7)
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": 7}


async def test_a_supervisor_may_ask(storage: MobStorage) -> None:
    definition = mob({"a": step()}, supervisor=supervisor())

    async def handler(ctx: StepContext) -> Any:
        if ctx.escalation is None:
            raise StepFailed("broken", retryable=False)
        return (await ctx.ask("ok", ctx.escalation.reason)).value

    run_id = await start(storage, handler, definition)
    async with at_work(storage, {"*": handler}):
        await answer(storage)
        assert (await ended(storage, run_id, definition)).status == "failed"
    [told_of] = (await FleetAdmin(storage).describe(run_id, outputs=True)).escalations
    assert "broken" in str(told_of.answer)


async def test_each_item_asks(storage: MobStorage) -> None:
    definition = mob({"a": step(for_each="params.items")})

    async def handler(ctx: StepContext) -> Any:
        return (await ctx.ask("ok", ctx.item)).value

    run_id = await Fleet(storage, definition, {"*": handler}).start(FLOW, {"items": [1, 2, 3]})
    async with at_work(storage, {"*": handler}, concurrency=1):
        for one in reversed(await asked(storage, 3)):
            assert await FleetAdmin(storage).answer(one.ask.id)
        run = await ended(storage, run_id, definition)
    assert run.root_step_outputs["a"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("bounds", "at_a_time"), [({"max_parallel": 2}, 2), ({"concurrency": {"limit": 2}}, 5)], ids=["open", "running"]
)
async def test_of_many_items_so_many_ask_as_may_be_open_and_not_as_may_run(
    storage: MobStorage, bounds: dict[str, Any], at_a_time: int
) -> None:
    definition = mob({"a": step(for_each="params", **bounds)})
    run_id = await Fleet(storage, definition, {"*": told}).start(FLOW, list(range(5)))
    async with at_work(storage, {"*": told}, concurrency=1):
        await asked(storage, at_a_time)
        for left in range(5, 0, -1):
            waiting = await asked(storage, min(at_a_time, left))
            assert await FleetAdmin(storage).answer(waiting[0].ask.id)
        assert (await ended(storage, run_id, definition)).status is MobRunStatus.COMPLETED


@pytest.mark.parametrize("how", ["cancel", "terminate", "other"])
async def test_the_end_of_an_execution_takes_its_asks_along(storage: MobStorage, how: str) -> None:
    definition, seen = mob({"a": step(policy="any")}), asyncio.Event()

    async def handler(ctx: StepContext) -> Any:
        if how == "other" and ctx.member == "worker-2":
            await seen.wait()
            return 1
        return await ctx.ask("ok")

    fleet = Fleet(storage, definition, {"*": handler}, members={"worker": 2 if how == "other" else 1})
    run_id = await fleet.start(FLOW)
    admin = FleetAdmin(storage)
    async with at_work(storage, {"*": handler}):
        [one] = await asked(storage)
        seen.set()
        if how != "other":
            await (admin.cancel(run_id) if how == "cancel" else admin.terminate(run_id))
        await ended(storage, run_id, definition)
    assert await storage.asks.pending() == []
    assert not any(execution.asks for execution in (await loaded(storage, run_id)).executions.values())
    with pytest.raises(CasConflictError, match="is over"):
        await admin.answer(one.ask.id, run_id=run_id)
    with pytest.raises(NotFoundError, match="no ask is pending"):
        await admin.answer(one.ask.id)


async def test_what_an_end_without_a_fleet_leaves_is_forgotten_by_the_inbox(storage: MobStorage) -> None:
    run_id = await start(storage)
    async with at_work(storage, {"*": told}):
        await asked(storage)
    assert await storage.runs.cas_run_status(run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.FAILED)
    assert len(await storage.asks.pending()) == 1
    assert await FleetAdmin(storage).inbox() == ()
    assert await storage.asks.pending() == []


async def test_a_run_that_is_paused_may_be_answered(storage: MobStorage) -> None:
    run_id, admin = await start(storage), FleetAdmin(storage)
    async with at_work(storage, {"*": told}):
        await asked(storage)
        await admin.pause(run_id)
        await answer(storage)
        await admin.resume(run_id)
        assert (await ended(storage, run_id)).status == "completed"


async def test_an_imported_run_asks_again_what_is_not_answered(storage: MobStorage, other_storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        return [one.value for one in await asyncio.gather(ctx.ask("one", 1), ctx.ask("two", 2))]

    run_id, admin = await start(storage, handler), FleetAdmin(storage)
    async with at_work(storage, {"*": handler}):
        await asked(storage, 2)
        await answer(storage, "one", value="answered before")
        await asked(storage, 1)
    lines = [line async for line in admin.export([run_id])]
    assert await admin.cancel(run_id, wait=True)
    await admin.delete(run_id)
    assert await storage.asks.pending() == []
    assert [one.is_stored async for one in admin.import_runs(lines, include_unfinished=True)] == [True]
    async with at_work(other_storage, {"*": handler}):
        await answer(storage, "two")
        run = await ended(storage, run_id)
    assert run.root_step_outputs["a"] == {"worker-1": ["answered before", 2]}


async def test_workers_do_not_wait_for_people(storage: MobStorage) -> None:
    fleet = Fleet(storage, ONE, {"*": told})
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG):
        await fleet.work(until_idle=True)
    [one] = await asked(storage)
    with pytest.raises(WaitTimeoutError, match=re.escape(f"step 'a' waits for an answer to 'ok' (ask {one.ask.id})")):
        await fleet.wait(run_id, 0)
    assert await fleet.unserved(run_id) == []
    described = await FleetAdmin(storage).describe(run_id)
    [(_, seen)] = described.each_step()
    waits = seen.members[0].waits_for
    assert (seen.state, waits and waits.kind, waits and waits.text) == (
        "waiting",
        "answer",
        f"an answer to 'ok' (ask {one.ask.id})",
    )
    assert not described.signals


async def test_a_worker_that_ends_when_idle_goes_on_with_what_is_answered(storage: MobStorage) -> None:
    fleet = Fleet(storage, ONE, {"*": told})
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG):
        await fleet.work(until_idle=True)
        await answer(storage)
        await fleet.work(until_idle=True)
    assert (await loaded(storage, run_id)).run.status == "completed"


async def test_the_inbox_is_read_page_by_page_the_oldest_first(storage: MobStorage) -> None:
    ids = [await start(storage) for _ in range(5)]
    async with at_work(storage, {"*": told}):
        found = await asked(storage, 5)
    admin, pages = FleetAdmin(storage), list[str]()
    after = None
    while page := await admin.inbox(limit=2, after=after):
        pages += (one.ask.id for one in page)
        after = page[-1].place
    assert pages == [one.ask.id for one in found]
    assert sorted(one.run_id for one in found) == sorted(ids)
    assert [encode_place(one.place) for one in found] == sorted(encode_place(one.place) for one in found)


async def test_an_answer_counts_once(storage: MobStorage) -> None:
    run_id, admin = await start(storage), FleetAdmin(storage)
    async with at_work(storage, {"*": told}):
        [one] = await asked(storage)
        assert await admin.answer(one.ask.id[:6], message="fine")
        assert await admin.answer(one.ask.id, message="fine", run_id=run_id) is False
        with pytest.raises(CasConflictError, match="otherwise"):
            await admin.answer(one.ask.id, approved=False, run_id=run_id)
        run = await ended(storage, run_id)
    [answered] = await admin.answers(run_id)
    assert (answered.step_id, answered.target, answered.kind) == ("a", "worker-1", "ok")
    assert answered.answer is not None
    assert answered.answer.model_dump(mode="json") == {"approved": True, "value": None, "message": "fine"}
    assert await admin.answer(one.ask.id, message="fine", run_id=run_id) is False
    assert run.root_step_outputs["a"]["worker-1"]["message"] == "fine"


async def test_bad_answers_are_refused_and_write_nothing(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        return (await ctx.ask("title", {"question": "which?"}, schema=TEXT)).value

    definition = mob({"a": step()}, limits={"max_output_bytes": 100})
    run_id, admin = await start(storage, handler, definition), FleetAdmin(storage)
    async with at_work(storage, {"*": handler}):
        [one] = await asked(storage)
        refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
            (ValidationError, "what was asked for is refused.*give a value", {}),
            (ValidationError, "the value is refused: it does not fit its schema", {"value": 1}),
            (ValidationError, "more than the 100", {"value": "x" * 200}),
            (ValidationError, "the value is refused", {"value": object()}),
            (ValidationError, "a denial has no value", {"approved": False, "value": "x"}),
            (ValidationError, "message has 10,001 characters", {"message": "x" * 10_001}),
            (ValidationError, "approved must be", {"approved": 1}),
            (NotFoundError, UNKNOWN, {"run_id": UNKNOWN}),
        ]
        for error, match, given in refused:
            with pytest.raises(error, match=match):
                await admin.answer(one.ask.id, **given)
        with pytest.raises(ValidationError, match="at least 4 digits"):
            await admin.answer(one.ask.id[:3])
        with pytest.raises(NotFoundError, match="no ask is pending whose id begins with 'ffff"):
            await admin.answer("ffff" + one.ask.id)
        with pytest.raises(NotFoundError, match="does not wait for an answer"):
            await admin.answer("ffff", run_id=run_id)
        assert (await FleetAdmin(storage).inbox()) == (one,)
        assert await admin.answer(one.ask.id, value="The sea")
        run = await ended(storage, run_id, definition)
    assert run.root_step_outputs["a"] == {"worker-1": "The sea"}


@pytest.mark.parametrize(
    ("kind", "more", "match"),
    [
        ("", {}, "kind must be a text of 1 to 200 bytes"),
        ("é" * 101, {}, "kind must be"),
        (1, {}, "kind must be"),
        ("k", {"payload": object()}, "the payload of the ask 'k' is refused"),
        ("k", {"schema": {"type": "strange"}}, "the schema of the ask 'k' is no valid JSON schema"),
        ("k", {"schema": "text"}, "is no JSON schema: an object or a boolean is needed"),
        ("k", {"timeout": -1}, "timeout must be"),
    ],
)
async def test_a_bad_ask_is_refused(kind: Any, more: dict[str, Any], match: str) -> None:
    ctx = step_context()
    payload = more.pop("payload", None)
    with pytest.raises(ValidationError, match=match):
        await ctx.ask(kind, payload, **more)
    with pytest.raises(ValidationError, match=match):
        await asyncio.to_thread(ctx.call_ask, kind, payload, **more)


async def test_a_name_of_a_call_cannot_be_that_of_an_answer() -> None:
    with pytest.raises(ValidationError, match="begins with no zero byte"):
        await step_context().once("\0ask:ok", lambda: 1)


async def test_a_context_of_a_test_knows_answers_beforehand() -> None:
    kept = KeptCheckpoints()
    kept.answer("ok", Answer(approved=True))
    kept.answer("ok", None, 1)
    ctx = step_context(checkpoints=kept)
    assert (await ctx.ask("ok", [1])).value == [1]
    with pytest.raises(AskTimeoutError):
        await ctx.ask("ok", [2])
    with pytest.raises(HandlerSuspended, match="waits for an answer to 'ok'"):
        await ctx.ask("ok", [3])


async def test_a_flow_of_a_test_is_answered() -> None:
    async def handler(ctx: StepContext) -> Any:
        return [(await ctx.ask("ok", 1)).value, (await ctx.ask("name")).value]

    answers = {"ok": Answer(approved=True), "name": Answer(approved=True, value="ann")}
    run = await run_flow(ONE, handler, answers=answers)
    assert run.root_step_outputs["a"] == {"worker-1": [1, "ann"]}
