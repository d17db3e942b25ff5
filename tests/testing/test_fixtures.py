"""The pytest plugin of the package, in this suite and in a project of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from redis_mob import MobStorage, StepContext, StepFailed
from redis_mob.testing import FleetFactory, VirtualClock
from tests.fleet.flows import FLOW, mob, step
from tests.project.test_imports import imported_by

PROJECT = '''
import pytest
from redis_mob import MobDefinition, StepContext
from redis_mob.testing import step_context

DEFINITION = MobDefinition.from_toml("""
[mob]
id = "hello"
[profiles]
greeter = { model = "none" }
[flows.hello.steps.greet]
role = "greeter"
message = "Greet"
""")

def greet(ctx: StepContext) -> str:
    return f"Hello, {ctx.params['name']}!"

def test_the_handler():
    assert greet(step_context(params={"name": "Ada"})) == "Hello, Ada!"

@pytest.mark.asyncio
async def test_the_flow(fleet, mob_storage, mob_clock):
    hello = fleet(DEFINITION, {"greeter": greet})
    async with hello.working():
        run = await hello.wait(await hello.start("hello", {"name": "fleet"}))
    assert run.root_step_outputs["greet"] == {"greeter-1": "Hello, fleet!"}
    assert await mob_storage.runs.get_run(run.run_id) == run
'''

WITHOUT_PYTEST_ASYNCIO = """
import importlib.util, pytest, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "pytest_asyncio" else find_spec(name, *more)
sys.exit(pytest.main(sys.argv[1:]))
"""


async def test_a_fleet_on_the_storage_of_the_test(
    fleet: FleetFactory, mob_storage: MobStorage, mob_clock: VirtualClock
) -> None:
    def moody(ctx: StepContext) -> int:
        if ctx.attempt == 1:
            raise StepFailed("busy", retry_after=60)
        return ctx.attempt

    mine = fleet(mob({"a": step()}, limits={"max_step_retries": 1}), {"*": moody})
    run_id = await mine.start(FLOW)
    await mine.work(until_idle=True)
    run = await mob_storage.runs.get_run(run_id)
    assert run is not None
    assert run.root_step_outputs["a"] == {"worker-1": 2}
    assert mob_clock.skipped.total_seconds() >= 59


async def test_each_test_has_a_storage_of_its_own(mob_storage: MobStorage) -> None:
    assert await mob_storage.events.replay_all() == []


def test_a_project_has_the_fixtures_in_the_strict_mode_of_pytest_asyncio(tmp_path: Path) -> None:
    (tmp_path / "test_hello.py").write_text(PROJECT)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    told = pytest_in(tmp_path)
    assert told.returncode == 0, told.stdout
    assert "2 passed" in told.stdout


def test_without_pytest_asyncio_a_fixture_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(mob_storage): pass\ndef test_other(): pass\n")
    told = pytest_in(tmp_path, "-p", "no:asyncio", program=("-c", WITHOUT_PYTEST_ASYNCIO))
    assert "the fixture mob_storage needs pytest-asyncio: pip install 'redis-mob[testing]'" in told.stdout
    assert "1 passed, 1 error" in told.stdout


def test_a_project_that_uses_no_fixture_imports_no_more_than_pytest() -> None:
    assert imported_by("import redis_mob.testing.fixtures") <= {"pytest", "asyncio"}


def pytest_in(
    directory: Path, *more: str, program: tuple[str, ...] = ("-m", "pytest")
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *program, "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", *more]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
