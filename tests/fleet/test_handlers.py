"""What handlers may be, what they get, and what becomes of their results and exceptions."""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from redis_mob import StepContext, StepFailed
from redis_mob.fleet import deadline
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.lease import LeasedExecution
from redis_mob.fleet.step_context import Handler
from redis_mob.models.conditions import GtCondition
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG, until
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.working import at_work, failure_of, run_flow, run_step

TRACE: ContextVar[str] = ContextVar("trace", default="")


def output(run: MobRun) -> Any:
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    return run.root_step_outputs["a"]["worker-1"]


async def asynchronous(_ctx: StepContext) -> object:
    return await asyncio.sleep(0, "done")


def gives_a_coroutine(ctx: StepContext) -> object:
    return asynchronous(ctx)


def plain(_ctx: StepContext) -> object:
    assert threading.current_thread() is not threading.main_thread()
    return "done"


class Callable:
    async def __call__(self, ctx: StepContext) -> object:
        return await asynchronous(ctx)


def bound(_word: str, ctx: StepContext) -> object:
    return plain(ctx)


@pytest.mark.parametrize(
    "handler",
    [
        asynchronous,
        plain,
        Callable(),
        functools.partial(bound, "word"),
        gives_a_coroutine,
    ],
    ids=["coroutine-function", "function", "object", "partial", "function-that-gives-a-coroutine"],
)
async def test_every_callable_is_a_handler(storage: MobStorage, handler: Any) -> None:
    assert output(await run_step(storage, handler)) == "done"


async def test_a_role_has_its_own_handler_or_that_of_all_others(storage: MobStorage) -> None:
    steps = {"a": step(role="worker", policy="any"), "b": step(role="critic", policy="any")}
    run = await run_flow(storage, mob(steps), {"worker": lambda _ctx: "own", "*": lambda _ctx: "any"})
    assert run.root_step_outputs == {"a": "own", "b": "any"}


async def test_the_context_is_complete_and_right(storage: MobStorage) -> None:
    seen: list[StepContext] = []

    async def handler(ctx: StepContext) -> object:
        seen.append(ctx)
        if ctx.step_id == "try" and ctx.iteration == 1 and ctx.attempt == 1:
            raise ValueError("once more")
        return {"round": ctx.iteration}

    steps = {"plan": step(policy="any"), "try": step(policy="any", message="round of {{ params.who }}")}
    until_second = GtCondition(path="steps.try.round", value=0)
    root = {"p": node("plan"), "l": loop("l", until_second, 5, "p", t=node("try"))}
    definition = mob(steps, root, limits={"max_step_retries": 1})
    before = datetime.now(UTC)
    run = await run_flow(storage, definition, handler, params={"who": "you"})
    assert run.status is MobRunStatus.COMPLETED

    assert [(ctx.step_id, ctx.iteration, ctx.attempt) for ctx in seen] == [
        ("plan", None, 1),
        ("try", 0, 1),
        ("try", 1, 1),
        ("try", 1, 2),
    ]
    plan, first, second, again = seen
    for ctx in seen:
        assert (ctx.mob_id, ctx.flow_id, ctx.run_id) == ("mob", FLOW, run.run_id)
        assert (ctx.role, ctx.member, ctx.params) == ("worker", "worker-1", {"who": "you"})
        assert timedelta(seconds=25) < ctx.deadline - before < timedelta(seconds=60)
    assert (plan.node_id, plan.frame_id, plan.message) == ("p", f"{run.run_id}-root", "do it")
    assert (first.node_id, first.message) == ("t", "round of you")
    assert first.frame_id != second.frame_id == again.frame_id
    assert (plan.outputs, plan.loops) == ({}, {})
    assert (first.outputs, first.loops) == ({"plan": {"round": None}}, {"l": ({},)})
    assert again.outputs == {"plan": {"round": None}, "try": {"round": 0}}
    assert again.loops == {"l": ({"try": {"round": 0}}, {})}
    assert second.idempotency_key == again.idempotency_key
    assert len({ctx.idempotency_key for ctx in seen}) == 3
    assert second.fencing_token < again.fencing_token


async def test_the_key_of_an_execution_is_its_member_s_own(storage: MobStorage) -> None:
    keys: dict[str, str] = {}

    async def handler(ctx: StepContext) -> None:
        keys[ctx.member] = ctx.idempotency_key

    await run_flow(storage, mob({"a": step()}), handler, members={"worker": 3})
    assert len(set(keys.values())) == 3


async def test_engine_case_06_targets_run_at_the_same_time(storage: MobStorage) -> None:
    together = asyncio.Barrier(2)

    async def handler(_ctx: StepContext) -> None:
        await together.wait()

    run = await run_flow(storage, mob({"a": step()}), handler, members={"worker": 2})
    assert run.status is MobRunStatus.COMPLETED


def without_traceback(failure: Any) -> dict[str, Any]:
    return {name: value for name, value in failure.error_report.reason.items() if name != "traceback"}


class Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "reason", "named"),
    [
        (ValueError("boom"), "ValueError: boom", "ValueError"),
        (ValueError(), "ValueError", "ValueError"),
        (KeyError("key"), "KeyError: 'key'", "KeyError"),
        (OSError("caf\udce9"), "OSError: caf\\udce9", "OSError"),
        (Unprintable(), "Unprintable: <a Unprintable that cannot be shown>", "Unprintable"),
        (asyncio.CancelledError(), "the handler was cancelled from within", "CancelledError"),
        (TimeoutError("of its own"), "TimeoutError: of its own", "TimeoutError"),
    ],
)
async def test_an_exception_is_a_failure_that_names_it(
    storage: MobStorage, error: BaseException, reason: str, named: str
) -> None:
    async def handler(_ctx: StepContext) -> None:
        raise error

    failure = await failure_of(storage, handler)
    assert failure.reason == reason
    assert without_traceback(failure) == {"exception": named}
    assert failure.error.retryable is True


async def test_an_exception_alone_in_its_group_is_told_as_what_it_is(storage: MobStorage) -> None:
    async def fails() -> None:
        raise StepFailed("no such account", retryable=False)

    async def handler(_ctx: StepContext) -> None:
        async with asyncio.TaskGroup() as inner, asyncio.TaskGroup():
            inner.create_task(fails())

    failure = await failure_of(storage, handler, retries=5)
    assert (failure.reason, failure.error.retryable) == ("no such account", False)

    def several(_ctx: StepContext) -> None:
        raise ExceptionGroup("two", [ExceptionGroup("one", [ValueError("a")]), ValueError("b")])

    assert (await failure_of(storage, several)).reason == "ExceptionGroup: two (2 sub-exceptions)"


class Own(BaseException):
    """An exception of the kind that most code does not catch."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit("no input given"), "SystemExit: no input given"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (StopIteration("empty"), "StopIteration: empty"),
        (StopAsyncIteration(), "StopAsyncIteration"),
        (asyncio.CancelledError(), "the handler was cancelled from within"),
        (Own("stop"), "Own: stop"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
@pytest.mark.parametrize("kind", ["thread", "loop", "awaited"])
async def test_no_exception_of_a_handler_hurts_its_worker(
    storage: MobStorage, error: BaseException, reason: str, kind: str
) -> None:
    """asyncio ends its loop for some of them, and a future never ends for another."""

    def plain(_ctx: StepContext) -> None:
        raise error

    async def coroutine(_ctx: StepContext) -> None:
        raise error

    def awaited(ctx: StepContext) -> Any:
        return coroutine(ctx)

    kinds: dict[str, Handler] = {"thread": plain, "loop": coroutine, "awaited": awaited}
    if isinstance(error, StopIteration) and kind != "thread":
        reason = "RuntimeError: coroutine raised StopIteration"

    handlers: dict[str, Handler] = {"worker": kinds[kind], "other": lambda _ctx: "alive"}
    steps = {"a": step(), "b": step(role="other", policy="any")}
    run = await run_flow(storage, mob(steps), handlers)
    assert [failure.reason for failure in run.failure_ledger] == [reason]
    assert run.root_step_outputs == {"b": "alive"}


async def test_a_future_that_two_handlers_await_hurts_no_worker(storage: MobStorage) -> None:
    """The one that is out of time cancels it for the other; that is an attempt of a handler, and no more."""
    shared: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    calls: list[tuple[str, int]] = []

    async def handler(ctx: StepContext) -> str:
        calls.append((ctx.step_id, ctx.attempt))
        return await shared if ctx.attempt == 1 else "again"

    steps = {"a": step(policy="any", timeout_ms=50), "b": step(policy="any")}
    run = await run_flow(storage, mob(steps, limits={"max_step_retries": 1}), handler)
    assert run.root_step_outputs == {"a": "again", "b": "again"}
    assert sorted(calls) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


async def test_a_coroutine_that_is_awaited_twice_is_a_failure_like_any_other(storage: MobStorage) -> None:
    once = asyncio.sleep(0, "once")

    def handler(_ctx: StepContext) -> Any:
        return once

    steps = {"a": step(policy="any"), "b": step("a", policy="any")}
    run = await run_flow(storage, mob(steps), handler)
    assert run.root_step_outputs == {"a": "once"}
    [failure] = run.failure_ledger
    assert failure.reason == "RuntimeError: cannot reuse already awaited coroutine"


class Awaitable:
    """Gives its event loop something that no event loop understands."""

    def __await__(self) -> Iterator[Any]:
        yield "not a future"


async def test_an_awaitable_that_misbehaves_is_a_failure_like_any_other(storage: MobStorage) -> None:
    assert (await failure_of(storage, lambda _ctx: Awaitable())).reason == (
        "RuntimeError: Task got bad yield: 'not a future'"
    )


@pytest.mark.parametrize("plain", [True, False])
async def test_context_variables_reach_the_handler(storage: MobStorage, plain: bool) -> None:
    async def coroutine(_ctx: StepContext) -> str:
        return TRACE.get()

    TRACE.set("of the worker")
    assert output(await run_step(storage, (lambda _ctx: TRACE.get()) if plain else coroutine)) == "of the worker"


@pytest.mark.parametrize(
    ("detail", "kept", "text"),
    [
        ({"path": ["x"]}, {"path": ["x"]}, '{"path":["x"]}'),
        ("plain", "plain", "plain"),
        (float("nan"), "nan", "nan"),
        ("\ud800", "\\ud800", "\\ud800"),
        ({1}, "{1}", "{1}"),
    ],
    ids=["json", "text", "nan", "surrogate", "set"],
)
async def test_a_handler_says_that_retrying_makes_no_sense_and_why(
    storage: MobStorage, detail: Any, kept: Any, text: str
) -> None:
    attempts: list[int] = []

    def handler(ctx: StepContext) -> None:
        attempts.append(ctx.attempt)
        raise StepFailed("bad input", retryable=False, detail=detail)

    failure = await failure_of(storage, handler, retries=5)
    assert attempts == [1]
    assert failure.reason == "bad input"
    assert without_traceback(failure) == {"exception": "StepFailed", "detail": kept}
    assert (failure.error.detail, failure.error.retryable, failure.error.terminal) == (text, False, True)


async def test_a_reason_that_is_no_text_is_shown_as_one(storage: MobStorage) -> None:
    reason: Any = ValueError("inner")

    def handler(_ctx: StepContext) -> None:
        raise StepFailed(reason)

    assert (await failure_of(storage, handler)).reason == "inner"


def no_number(_ctx: StepContext) -> object:
    return float("nan")


def no_value(_ctx: StepContext) -> object:
    return {"a": [object()]}


def generator(_ctx: StepContext) -> Iterator[int]:
    yield 1


async def asynchronous_generator(_ctx: StepContext) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (no_number, "$: nan is no JSON number; JSON has no such number"),
        (no_value, "$.a[0]: a value of type object is no JSON; give JSON, or what pydantic dumps"),
        (generator, "$: a value of type generator is no JSON; make a list of it"),
        (asynchronous_generator, "$: a value of type async_generator is no JSON; make a list of it"),
    ],
    ids=["nan", "object", "generator", "async-generator"],
)
async def test_a_value_that_is_no_json_fails_once_with_its_path(
    storage: MobStorage, handler: Handler, problem: str
) -> None:
    attempts: list[int] = []

    def counted(ctx: StepContext) -> Any:
        attempts.append(ctx.attempt)
        return handler(ctx)

    failure = await failure_of(storage, counted, retries=5)
    assert failure.reason.startswith(f"the output of step 'a' is refused: {problem}")
    assert attempts == [1]


async def test_a_failed_attempt_is_tried_again(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> int:
        if ctx.attempt < 3:
            raise ValueError("not yet")
        return ctx.attempt

    assert output(await run_step(storage, handler, retries=2)) == 3


async def forever(_ctx: StepContext) -> None:
    await asyncio.Event().wait()


async def test_a_handler_out_of_time_is_stopped(storage: MobStorage) -> None:
    stopped: list[bool] = []

    async def handler(ctx: StepContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(ctx.cancelled.is_set())

    failure = await failure_of(storage, handler, timeout_ms=50)
    assert failure.reason == "timeout after 50ms"
    assert (failure.error_report, stopped) == (None, [True])


async def test_no_time_at_all(storage: MobStorage) -> None:
    assert (await failure_of(storage, forever, timeout_ms=0)).reason == "timeout after 0ms"


async def test_a_handler_that_ignores_its_cancellation_is_left_alone(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "GRACE_SECONDS", 0.05)
    release, ended = asyncio.Event(), asyncio.Event()

    async def handler(_ctx: StepContext) -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        raise ValueError("after the timeout")

    fleet = Fleet(storage, mob({"a": step(timeout_ms=50)}), {"*": handler})
    async with at_work(storage, {"*": handler}):
        run = await fleet.wait(await fleet.start(FLOW))
        assert [failure.reason for failure in run.failure_ledger] == ["timeout after 50ms"]
        assert not ended.is_set()
        release.set()
        await until(ended.is_set)


async def test_a_handler_that_ignores_its_cancellation_ends_with_its_worker(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "GRACE_SECONDS", 0.05)
    ended = asyncio.Event()

    async def handler(_ctx: StepContext) -> str:
        try:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue
        finally:
            ended.set()

    assert (await failure_of(storage, handler, timeout_ms=50)).reason == "timeout after 50ms"
    assert ended.is_set()


async def test_a_handler_that_cancels_its_own_task_has_failed(storage: MobStorage) -> None:
    async def handler(_ctx: StepContext) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()

    failure = await failure_of(storage, handler)
    assert failure.reason == "the handler was cancelled from within"


async def test_a_plain_function_out_of_time_goes_on_and_its_result_is_dropped(storage: MobStorage) -> None:
    release, ended = threading.Event(), threading.Event()

    def handler(ctx: StepContext) -> str:
        release.wait()
        assert ctx.cancelled.is_set()
        ended.set()
        return "late"

    failure = await failure_of(storage, handler, timeout_ms=50)
    assert failure.reason == "timeout after 50ms"
    release.set()
    await until(ended.is_set)


async def test_a_long_execution_keeps_its_lease(storage: MobStorage) -> None:
    """It outlives its lease many times; no other worker takes over."""

    async def handler(ctx: StepContext) -> int:
        started = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > started + 3)
        return ctx.fencing_token

    run = await run_flow(storage, mob({"a": step()}), handler, workers=3, lease=timedelta(seconds=1))
    assert output(run) == 1


async def test_heartbeats_say_whether_the_lease_is_held(storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> list[bool]:
        return await asyncio.gather(*(ctx.heartbeat() for _ in range(20)))

    assert output(await run_step(storage, handler)) == [True] * 20


async def test_a_plain_function_may_send_heartbeats_in_an_event_loop_of_its_own(storage: MobStorage) -> None:
    def handler(ctx: StepContext) -> list[bool]:
        return [asyncio.run(asyncio.wait_for(ctx.heartbeat(), LONG)) for _ in range(3)]

    assert output(await run_step(storage, handler)) == [True] * 3


def test_a_heartbeat_of_a_thread_that_outlived_its_worker_says_that_the_execution_is_lost() -> None:
    nothing: Any = None

    async def hold() -> LeasedExecution:
        return LeasedExecution("run", nothing, nothing, nothing, 0.0, nothing, nothing, nothing)

    held = asyncio.run(hold())
    assert asyncio.run(held.is_held()) is False


async def test_a_plain_function_learns_by_heartbeats_that_its_run_was_canceled(storage: MobStorage) -> None:
    began, learned = threading.Event(), threading.Event()

    def handler(ctx: StepContext) -> None:
        began.set()
        while asyncio.run(asyncio.wait_for(ctx.heartbeat(), LONG)):
            pass
        learned.set()

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    async with at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        await until(began.is_set)
        assert await fleet.cancel(run_id)
        await until(learned.is_set)


@pytest.mark.parametrize("kind", ["asks", "waits", "is-stopped"])
async def test_engine_case_52_a_handler_learns_that_its_run_was_canceled(storage: MobStorage, kind: str) -> None:
    began, learned = asyncio.Event(), asyncio.Event()

    async def handler(ctx: StepContext) -> str:
        began.set()
        try:
            if kind == "asks":
                while await ctx.heartbeat():
                    pass
            elif kind == "waits":
                await ctx.cancelled.wait()
            else:
                await asyncio.Event().wait()
        finally:
            learned.set()
        return "too late"

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    async with at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        await asyncio.wait_for(began.wait(), 20)
        assert await fleet.cancel(run_id)
        run = await fleet.wait(run_id)
        await asyncio.wait_for(learned.wait(), 20)
    assert run.status is MobRunStatus.CANCELED
    assert run.root_step_outputs == {}
    assert await fleet.wait(run_id) == run, "a late result changed it"


async def test_engine_case_53_a_run_is_canceled_although_its_handler_hangs(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "GRACE_SECONDS", 0.05)
    began, release = threading.Event(), threading.Event()

    def handler(_ctx: StepContext) -> None:
        began.set()
        release.wait()

    fleet = Fleet(storage, mob({"a": step()}), {"*": handler})
    async with at_work(storage, {"*": handler}):
        run_id = await fleet.start(FLOW)
        await until(began.is_set)
        await fleet.cancel(run_id)
        assert (await fleet.wait(run_id)).status is MobRunStatus.CANCELED
    release.set()


class _EvilDict(dict[str, int]):
    def items(self) -> Any:
        raise SystemExit("items")

    __iter__ = keys = items


class _EvilList(list[int]):
    def __iter__(self) -> Any:
        raise KeyboardInterrupt


class _NoClass:
    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError("no class")


class _Target:
    pass


class _NoTracebackError(Exception):
    @property
    def __traceback__(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        raise SystemExit("no traceback")

    @__traceback__.setter
    def __traceback__(self, value: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pass


def _raises_no_traceback() -> Any:
    raise _NoTracebackError


ODD_VALUES: Mapping[str, tuple[Any, str | None]] = {
    "a dict that raises SystemExit": (lambda: _EvilDict(a=1), None),
    "a list that raises KeyboardInterrupt": (lambda: _EvilList([1]), None),
    "a proxy of what is gone": (lambda: weakref.proxy(_Target()), "ReferenceError"),
    "an object without a class": (_NoClass, "no class"),
    "an exception without a traceback": (_raises_no_traceback, "_NoTracebackError"),
}
"""Values of handlers, and what their failure says; None of those that are plain JSON inside."""


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "thread"])
@pytest.mark.parametrize("odd", ODD_VALUES)
async def test_a_value_that_misbehaves_is_one_failed_attempt_and_the_worker_goes_on(
    storage: MobStorage, odd: str, *, is_async: bool
) -> None:
    make, failure = ODD_VALUES[odd]

    async def in_the_loop(_ctx: StepContext) -> Any:
        return make()

    def in_a_thread(_ctx: StepContext) -> Any:
        return make()

    run = await run_step(storage, in_the_loop if is_async else in_a_thread, timeout_ms=60_000)
    if failure is None:
        assert run.status is MobRunStatus.COMPLETED
    else:
        assert run.status is MobRunStatus.FAILED
        assert failure in run.failure_ledger[0].reason


async def test_an_underscore_is_a_context_that_is_not_looked_at(storage: MobStorage) -> None:
    def handler(_: object) -> int:
        return 1

    assert output(await run_flow(storage, mob({"a": step()}), handler)) == 1
