"""Handlers in processes of their own: like any other, but they can be ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from redis_mob import StepContext, StepFailed, isolated
from redis_mob.errors import HandlerError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.worker import Worker
from redis_mob.models.conditions import GtCondition
from redis_mob.models.flow_spec import FlowStepSpec, Isolation
from redis_mob.models.message import TextBlock
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG, until
from tests.fleet import isolated_handlers as handlers
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.working import at_work, run_flow

PROCESS = Isolation.PROCESS


@pytest.fixture
async def storage() -> AsyncIterator[MobStorage]:
    """In memory: starting processes takes its time, and it is theirs that counts here."""
    async with MobStorage.open("memory:") as opened:
        yield opened


def one(**spec: Any) -> FlowStepSpec:
    return step(policy="any", **spec)


async def run_isolated(
    storage: MobStorage, handler: Handler, params: Any = None, *, retries: int = 0, **spec: Any
) -> MobRun:
    definition = mob({"a": one(**spec)}, limits={"max_step_retries": retries})
    return await run_flow(storage, definition, isolated(handler), params=params)


async def failure_of(storage: MobStorage, handler: Handler, params: Any = None, **spec: Any) -> Any:
    run = await run_isolated(storage, handler, params, **spec)
    [failure] = run.failure_ledger
    return failure


KINDS: dict[str, Handler] = {
    "function": handlers.plain,
    "coroutine-function": handlers.coroutine,
    "function-that-gives-a-coroutine": handlers.gives_a_coroutine,
    "object": handlers.Agent("n"),
    "method": handlers.Agent("n").method,
    "partial": handlers.part,
    "decorated": handlers.decorated,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_importable_callable_runs_in_a_process_of_its_own(storage: MobStorage, kind: str) -> None:
    run = await run_isolated(storage, KINDS[kind])
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["a"]["pid"] != os.getpid()


async def test_a_step_asks_for_a_process_and_its_role_has_a_handler_like_any_other(storage: MobStorage) -> None:
    """Of two steps of one role only the one that says so pays for a process."""
    run = await run_flow(storage, mob({"a": one(isolation=PROCESS), "b": one()}), handlers.plain)
    assert run.root_step_outputs["b"]["pid"] == os.getpid() != run.root_step_outputs["a"]["pid"]


async def test_the_context_is_the_same_as_without_the_process(storage: MobStorage) -> None:
    message = (TextBlock(text="for {{ params.who }}"),)
    steps = {"a": one(), "b": one(role="isolated", message=message), "c": one(role="isolated")}
    until_first = GtCondition(path="steps.b.token", value=0)
    root = {"a": node("a"), "l": loop("l", until_first, 2, "a", b=node("b"), c=node("c", "b"))}
    served: Mapping[str, Handler] = {"worker": handlers.plain, "isolated": isolated(handlers.plain)}
    run = await run_flow(storage, mob(steps, root), served, params={"who": "you", "more": [1.5, None]})
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    a = run.root_step_outputs["a"]
    [[first]] = run.loop_iteration_outputs.values()
    b, c = first["b"], first["c"]
    assert b["message"] == [{"type": "text", "text": "for you"}]
    assert b["params"] == {"who": "you", "more": [1.5, None]}
    assert (b["outputs"], c["outputs"]) == ({"a": a}, {"a": a, "b": b})
    assert c["loops"] == {"l": [{"b": b}]}
    assert (c["attempt"], c["token"], c["before"], c["cancelled"]) == (1, 1, None, False)
    assert len({a["key"], b["key"], c["key"]}) == 3


@pytest.mark.parametrize(
    ("handler", "how"),
    [
        *(
            (handlers.fail, how)
            for how in ("value", "step-failed", "exit", "interrupt", "stop", "cancelled", "no-json")
        ),
        *((handlers.fail_in_loop, how) for how in ("value", "exit", "cancelled")),
    ],
)
async def test_a_failure_is_the_same_as_without_the_process(storage: MobStorage, handler: Handler, how: str) -> None:
    definition = mob({"a": one(), "b": one(isolation=PROCESS)})
    run = await run_flow(storage, definition, handler, params={"how": how})
    here, there = sorted(run.failure_ledger, key=lambda failure: failure.step_id)
    assert (here.step_id, there.step_id) == ("a", "b")
    assert here.reason.replace("'a'", "'b'") == there.reason
    assert (here.error_report, here.error) == (there.error_report, there.error)


async def test_a_failure_that_is_not_retryable_is_not_tried_again(storage: MobStorage) -> None:
    run = await run_isolated(storage, handlers.fail, {"how": "step-failed"}, retries=5)
    [failure] = run.failure_ledger
    assert failure.error is not None
    assert (failure.reason, failure.error.retryable) == ("no such customer", False)


async def test_a_caller_of_an_isolated_handler_gets_what_it_raises(storage: MobStorage) -> None:
    """A handler may be made of others, isolated ones among them."""

    async def handler(ctx: StepContext) -> Any:
        with pytest.raises(StepFailed, match="no such customer") as caught:
            await isolated(handlers.fail)(ctx)
        return [caught.value.retryable, caught.value.detail]

    run = await run_flow(storage, mob({"a": one()}), handler, params={"how": "step-failed"})
    assert run.root_step_outputs["a"] == [False, {"id": 7}]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("SIGKILL", "the process of the handler was ended by signal 9 (SIGKILL)"),
        ("segfault", "the process of the handler was ended by signal 11 (SIGSEGV)"),
        ("exit", "the process of the handler ended with exit status 3, without a result"),
    ],
)
async def test_a_process_that_dies_is_a_failed_attempt_and_the_next_one_counts(
    storage: MobStorage, tmp_path: Path, how: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = tmp_path / "calls"
    run = await run_isolated(storage, handlers.die, {"calls": str(calls), "how": how}, retries=1)
    assert run.root_step_outputs == {"a": "survived"}
    assert [line.split()[1] for line in calls.read_text().splitlines()] == ["1", "2"]
    assert any(reason in record.getMessage() for record in caplog.records)


HANGING: dict[str, Handler] = {
    "sleeps": handlers.sleep,
    "holds-the-interpreter": handlers.hold_the_interpreter,
    "blocks-its-loop": handlers.block,
    "ignores-its-cancellation": handlers.refuse_to_end,
}


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def members_of(group: int) -> list[int]:
    """The processes of a group that are alive."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(entry.name)
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and os.getpgid(pid) == group:
                found.append(pid)
    return found


def group_in(file: Path) -> int:
    return int(file.read_text())


async def test_handlers_that_hang_are_ended_at_their_deadline_with_all_they_have_started(
    storage: MobStorage, tmp_path: Path
) -> None:
    """Their slots are free for others then."""
    served: Mapping[str, Handler] = {kind: isolated(handler) for kind, handler in HANGING.items()}
    served = {**served, "healthy": handlers.plain}
    steps = {kind: one(role=kind, timeout_ms=10_000) for kind in HANGING}
    fleet = Fleet(storage, mob({**steps, "z": one(role="healthy")}), served)
    async with at_work(storage, served, concurrency=len(HANGING), max_orphaned_turns=0):
        async with asyncio.timeout(3 * LONG):
            run = await fleet.wait(await fleet.start(FLOW, {"groups": str(tmp_path)}))
    assert [failure.reason for failure in run.failure_ledger] == ["timeout after 10000ms"] * len(HANGING)
    assert set(run.root_step_outputs) == {"z"}
    for kind in HANGING:
        await until(lambda kind=kind: not members_of(group_in(tmp_path / kind)))


async def test_handlers_that_hang_are_ended_when_their_run_is_canceled(storage: MobStorage, tmp_path: Path) -> None:
    served: Mapping[str, Handler] = {kind: isolated(handler) for kind, handler in HANGING.items()}
    steps = {kind: one(role=kind, timeout_ms=600_000) for kind in HANGING}
    fleet = Fleet(storage, mob(steps), served)
    async with at_work(storage, served):
        run_id = await fleet.start(FLOW, {"groups": str(tmp_path)})
        await until(lambda: all((tmp_path / kind).exists() for kind in HANGING))
        assert await fleet.cancel(run_id)
        assert (await fleet.wait(run_id)).status is MobRunStatus.CANCELED
        for kind in HANGING:
            await until(lambda kind=kind: not members_of(group_in(tmp_path / kind)))


@pytest.mark.parametrize("handler", [handlers.clean_up, handlers.look])
async def test_a_handler_learns_that_it_is_canceled_and_may_clean_up(
    storage: MobStorage, tmp_path: Path, handler: Handler
) -> None:
    file, cleaned = tmp_path / "a", tmp_path / "cleaned"
    served: Mapping[str, Handler] = {"*": isolated(handler)}
    fleet = Fleet(storage, mob({"a": one(timeout_ms=600_000)}), served)
    async with at_work(storage, served):
        run_id = await fleet.start(FLOW, {"groups": str(tmp_path), "cleaned": str(cleaned)})
        await until(file.exists)
        await fleet.cancel(run_id)
        await until(lambda: not members_of(group_in(file)))
    assert cleaned.read_text() == "cancelled True"


async def test_a_handler_is_ended_with_its_worker(storage: MobStorage, tmp_path: Path) -> None:
    file = tmp_path / "a"
    served: Mapping[str, Handler] = {"*": isolated(handlers.sleep)}
    fleet = Fleet(storage, mob({"a": one(timeout_ms=600_000)}), served)
    working = asyncio.create_task(Worker(storage.executions, served).run())
    await fleet.start(FLOW, {"groups": str(tmp_path)})
    await until(file.exists)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    await until(lambda: not members_of(group_in(file)))


@pytest.mark.parametrize("handler", ["sleep", "hold_the_interpreter"])
async def test_a_handler_is_ended_when_its_worker_is_killed(server_url: str, tmp_path: Path, handler: str) -> None:
    file = tmp_path / "a"
    namespace = f"test-{tmp_path.name}-{os.getpid()}"
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fleet.worker_process", server_url, namespace, "5", "16", handler),
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            fleet = Fleet(storage, mob({"a": one(timeout_ms=600_000)}), {"*": print})
            await fleet.start(FLOW, {"groups": str(tmp_path)})
            await until(file.exists)
            group = group_in(file)
            await until(lambda: handler != "sleep" or len(members_of(group)) == 3)  # the keeper, the handler, its child
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await until(lambda: not members_of(group))


async def test_heartbeats_reach_the_lease(storage: MobStorage) -> None:
    run = await run_isolated(storage, handlers.beat)
    assert run.root_step_outputs == {"a": [True] * 10}


async def test_what_a_handler_leaves_behind_is_ended_once_it_has_returned(storage: MobStorage) -> None:
    run = await run_isolated(storage, handlers.leave_behind)
    await until(lambda: not is_alive(run.root_step_outputs["a"]))


async def test_a_thread_that_is_left_behind_keeps_no_result_back(storage: MobStorage) -> None:
    run = await run_isolated(storage, handlers.leave_a_thread)
    assert run.root_step_outputs == {"a": "done"}


async def test_a_large_output_comes_back_whole(storage: MobStorage) -> None:
    run = await run_isolated(storage, handlers.large)
    assert run.root_step_outputs == {"a": "x" * 900_000}


def _hidden() -> Handler:
    def hidden(_ctx: StepContext) -> None:
        """Not at the top level."""

    return hidden


UNFINDABLE: dict[str, Handler] = {
    "lambda": lambda _ctx: None,
    "inner": _hidden(),
}


@pytest.mark.parametrize("kind", UNFINDABLE)
async def test_a_handler_that_cannot_be_imported_is_refused_when_its_worker_starts(
    storage: MobStorage, kind: str
) -> None:
    with pytest.raises(HandlerError) as caught:
        Worker(storage.executions, {"critic": isolated(UNFINDABLE[kind])})
    assert str(caught.value).startswith(
        f"role 'critic': handler {UNFINDABLE[kind].__qualname__} cannot run in a process"
    )
    assert str(caught.value).endswith("define it at the top level of a module that can be imported")


async def test_a_step_whose_handler_cannot_be_imported_fails_once_and_says_so(storage: MobStorage) -> None:
    run = await run_flow(
        storage, mob({"a": one(isolation=PROCESS)}, limits={"max_step_retries": 5}), UNFINDABLE["lambda"]
    )
    [failure] = run.failure_ledger
    assert "<lambda> cannot run in a process of its own" in failure.reason
    assert failure.error is not None
    assert not failure.error.retryable


async def test_the_script_that_runs_is_not_imported_again(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers.plain, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "plain", handlers.plain, raising=False)
    with pytest.raises(HandlerError, match="it is defined in the script that runs"):
        Worker(storage.executions, {"critic": isolated(handlers.plain)})


async def test_a_module_that_cannot_be_imported_there_is_named(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it was imported before it was lost."""
    monkeypatch.setattr(handlers.plain, "__module__", "lost_module")
    monkeypatch.setitem(sys.modules, "lost_module", handlers)
    failure = await failure_of(storage, handlers.plain, retries=3)
    assert failure.reason == (
        "the handler cannot be imported in its process: ModuleNotFoundError: No module named 'lost_module'"
    )
    assert not failure.error.retryable
