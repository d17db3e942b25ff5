"""The commands that steer runs, and those that show workers and queues: what they do, and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from tests.cli.command import Ended, redis_mob
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work

LONG = mob({"a": step(timeout_ms=600_000)})
UNKNOWN = "0191a6a0-0000-4000-8000-000000000001"

Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path, server_url: str, namespace: str) -> Command:
    return lambda *words: redis_mob(tmp_path, *words, "--url", server_url, "--namespace", namespace)


def in_storage(server_url: str, namespace: str, act: Callable[[MobStorage], Any]) -> Any:
    async def opened() -> Any:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            return await act(storage)

    return asyncio.run(opened())


@pytest.fixture
def runs(server_url: str, namespace: str) -> list[str]:
    async def start(storage: MobStorage) -> list[str]:
        fleet = Fleet(storage, LONG, {})
        return [await fleet.start(FLOW) for _ in range(2)]

    return in_storage(server_url, namespace, start)


def test_runs_are_canceled_without_a_worker(command: Command, runs: list[str], server_url: str, namespace: str) -> None:
    done = command("cancel", *runs)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [f"run {run_id}: its cancellation was asked for" for run_id in runs]
    for run_id in runs:
        status = in_storage(server_url, namespace, lambda s, run_id=run_id: s.executions.status(run_id))
        assert status is MobRunStatus.CANCELED
    again = command("cancel", runs[0], "--json")
    assert again.status == 1
    assert json.loads(again.out) == {"run_id": runs[0], "done": False, "status": "canceled"}


def test_the_end_is_waited_for(command: Command, runs: list[str]) -> None:
    done = command("cancel", runs[0], "--wait")
    assert (done.status, done.out) == (0, f"run {runs[0]}: canceled\n")


@pytest.mark.parametrize("name", ["cancel", "terminate", "delete"])
def test_an_unknown_run_is_told_and_the_others_go_on(command: Command, runs: list[str], name: str) -> None:
    more = {"cancel": (), "terminate": ("--yes",), "delete": ("--cancel", "--yes")}[name]
    done = command(name, UNKNOWN, runs[0], *more)
    assert done.status == 2
    assert f"error: run {UNKNOWN} does not exist" in done.err
    assert f"run {runs[0]}: " in done.out
    assert command(name, "no-id", *more).status == 2


@pytest.mark.parametrize("name", ["terminate", "delete"])
def test_what_cannot_be_undone_wants_a_yes(
    command: Command, runs: list[str], name: str, server_url: str, namespace: str
) -> None:
    refused = command(name, runs[0])
    assert refused.status == 2
    assert "give --yes" in refused.err
    status = in_storage(server_url, namespace, lambda s: s.executions.status(runs[0]))
    assert status is MobRunStatus.PENDING
    more = ("--cancel",) if name == "delete" else ()
    assert command(name, runs[0], "--yes", *more).status == 0


def test_a_run_that_is_not_over_is_deleted_only_if_it_is_to_be_canceled(command: Command, runs: list[str]) -> None:
    refused = command("delete", runs[0], "--yes")
    assert refused.status == 1
    assert "is not over: cancel it first, or delete it with --cancel" in refused.err
    done = command("delete", *runs, "--cancel", "--yes", "--json")
    assert done.status == 0
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"run_id": run_id, "done": True, "status": "deleted"} for run_id in runs
    ]
    assert command("delete", runs[0], "--yes").status == 2


def test_no_workers_and_no_queues(command: Command, server_url: str, namespace: str) -> None:
    in_storage(server_url, namespace, lambda storage: storage.pauses.pauses())  # the namespace is there
    assert command("workers") == Ended(1, "", "no worker is alive\n")
    assert command("queues") == Ended(0, "nothing waits, and nothing is under way\n", "")


def test_workers_and_queues_are_shown(command: Command, server_url: str, namespace: str) -> None:
    begun = asyncio.Event()

    async def work(_ctx: StepContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def look(storage: MobStorage) -> list[Ended]:
        fleet = Fleet(storage, LONG, {"worker": work})
        async with at_work(storage, {"worker": work}, concurrency=1):
            held = await fleet.start(FLOW)
            async with asyncio.timeout(30):
                await begun.wait()
            unserved = await fleet.start(FLOW, release="v\x1b[31m2")
            await asyncio.sleep(0.5)
            words = (("workers",), ("workers", "--json"), ("queues",), ("queues", "--json"))
            told = [await asyncio.to_thread(command, *some) for some in words]
            for run_id in (held, unserved):
                await fleet.cancel(run_id)
                await fleet.wait(run_id)
        assert held in told[0].out
        return told

    workers, workers_json, queues, queues_json = in_storage(server_url, namespace, look)
    assert workers.status == workers_json.status == 0
    first, row, *_ = workers.out.splitlines()
    assert first.split()[:3] == ["WORKER", "HOST", "PID"]
    assert " 1/1 " in row
    [one] = map(json.loads, workers_json.out.splitlines())
    assert (one["slots"], one["roles"]) == (1, ["worker"])
    assert one["executes"][0]["step"] == "a"
    assert one["executes"][0]["since"] is not None
    assert queues.status == queues_json.status == 1
    assert "unserved: 1" in queues.out
    assert "\x1b" not in queues.out
    served, lonely = map(json.loads, queues_json.out.splitlines())
    assert (served["running"], served["workers"], served["unserved"]) == (1, 1, 0)
    assert (lonely["waiting"], lonely["workers"], lonely["unserved"]) == (1, 0, 1)


def test_a_mistyped_run_is_told_with_the_nearest_one(command: Command, runs: list[str]) -> None:
    near = runs[0][:7] + ("0" if runs[0][7] != "0" else "1")
    for words in (("show", near), ("cancel", near), ("resume", near), ("signal", near, "go")):
        told = command(*words)
        assert told.status == 2
        assert f"did you mean '{runs[0][:8]}'? `redis-mob ls` lists the runs" in told.err
    told = command("show", UNKNOWN)
    assert (told.status, "`redis-mob ls` lists those that do" in told.err) == (2, True)
