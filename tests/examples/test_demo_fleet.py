"""The fleet that runs for ever: what its flows do, and all of it together, as `make demo-ui` starts it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from random import Random
from typing import Any

import httpx
import pytest

from examples.demo_fleet import flows, traffic
from examples.demo_fleet.flows import Count, Verdict, article, checks, mob
from examples.demo_fleet.traffic import KINDS, World
from redis_mob import MobStorage
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.testing import run_flow
from redis_mob.testing.waiting import LONG
from tests.cli.command import ROOT, Command, wait_until
from tests.cli.test_worker import free_port

PROGRAM = ("-m", "examples.demo_fleet")
IN_A_HURRY = {"DEMO_PACE": "0.05", "PYTHONDONTWRITEBYTECODE": ""}


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "PACE", 0.0)
    monkeypatch.setattr(traffic, "PACE", 0.01)


class Lucky(Random):
    """Chance that is always in the middle."""

    def random(self) -> float:
        return 0.5


@pytest.fixture
def lucky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "chance", lambda _ctx: Lucky(1))  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType]


@pytest.mark.usefixtures("lucky")
async def test_an_article_goes_through_loops_and_a_vote_to_a_branch() -> None:
    run = await run_flow(article, params={"topic": "tea"})
    assert run.status == "completed"
    assert len(run.loop_iteration_outputs["editions"]) == 2
    assert run.output("verdict", Verdict).good
    assert run.output("count", Count) == Count(prints=True, votes=2)
    assert run.output("publish") == "publish: done"
    assert run.output("hold", default=None) is None


@pytest.mark.usefixtures("lucky")
async def test_checks_are_runs_of_their_own() -> None:
    run = await run_flow(checks, params={"topic": "tea"})
    assert run.output("publish") == "publish: done"


async def test_a_vote_that_is_held_takes_the_other_branch(lucky: None) -> None:
    run = await run_flow(article, {"judge": lambda _ctx: {"verdict": "hold"}}, params={"topic": "tea"})
    assert run.output("hold") == "hold: done"


async def test_the_world_starts_answers_and_prints(namespace: str) -> None:
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        fleet, admin = mob.fleet(storage), FleetAdmin(storage)
        async with fleet.working(), asyncio.timeout(LONG):
            world = asyncio.create_task(World(storage, Random(1)).go_on())
            missing = {(one.flow, "completed") for one in KINDS} | {("feed", "failed")}
            while missing:
                missing -= {(run.flow_id, str(run.status.value)) async for run in admin.all_runs()}
                await asyncio.sleep(0.01)
            world.cancel()


async def test_no_run_is_started_where_too_many_are_under_way(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_UNDER_WAY", 3)
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        world = World(storage, Random(1))
        for _ in range(5):
            await world.happen()
        assert sum((await FleetAdmin(storage).count()).values()) == 3


def told(port: int, path: str) -> Any:
    """What the page's server answers, None if it does not."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_on_one_port_and_leaves_nothing_behind(number: signal.Signals) -> None:
    port = free_port()
    with Command(ROOT, "--port", str(port), program=PROGRAM, stderr=subprocess.PIPE, **IN_A_HURRY) as command:
        wait_until(lambda: told(port, "/api/session"))
        assert told(port, "/api/session")["role"] == "operate"
        page = httpx.get(f"http://127.0.0.1:{port}/", timeout=30)
        assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
        wait_until(lambda: told(port, "/api/overview")["runs"]["completed"] >= 2)
        wait_until(lambda: len(told(port, "/api/overview")["workers"]) == 2)
        assert len([name for name in command.processes().values() if " worker " in name]) == 2
        command.signal(number)
        ended = command.end()
    assert ended.status == 0, ended.err
    assert f"serving the page at http://127.0.0.1:{port}/" in ended.err
    assert "Traceback" not in ended.err


def test_a_port_in_use_ends_all_of_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with Command(ROOT, "--port", port, program=PROGRAM) as command:
            ended = command.end()
    assert ended.status == 2, ended.err
    assert f"--port {port} cannot be used" in ended.err


def test_make_starts_what_is_tried_here() -> None:
    asked = subprocess.run(
        ["make", "-n", "--no-print-directory", "demo-ui"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert asked.stdout.splitlines()[-1].split() == [".venv/bin/python", *PROGRAM]
