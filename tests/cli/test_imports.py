"""What commands that only read bring in: none of what writes, executes or draws while a run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from redis_mob.cli import commands
from redis_mob.cli.app import COMMANDS
from redis_mob.storage import MobStorage
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow

OF_NO_READER = {
    "httpx",
    "jsonschema",
    "rich.live",
    "rich.table",
    "rich.tree",
    "tomllib",
    "redis_mob.cli.commands.run",
    "redis_mob.cli.display",
    "redis_mob.cli.progress",
    "redis_mob.cli.workers",
    "redis_mob.codec.events",
    "redis_mob.codec.transitions",
    "redis_mob.connection.embedded",
    "redis_mob.fleet.engine",
    "redis_mob.fleet.fleet",
    "redis_mob.fleet.transition_builder",
    "redis_mob.kernel.actions",
    "redis_mob.kernel.validation",
    "redis_mob.memory",
    "redis_mob.models.config",
    "redis_mob.models.events",
    "redis_mob.models.webhook",
    "redis_mob.operations.fleet_admin",
    "redis_mob.stores.config",
    "redis_mob.stores.schedules",
    "redis_mob.stores.steering",
    "redis_mob.stores.webhooks",
    "redis_mob.webhooks",
}
"""Modules that take their time, or bring many others."""

OF_NO_LIST = {
    "redis_mob.kernel",
    "redis_mob.models.authority",
    "redis_mob.models.definition",
    "redis_mob.models.flow_spec",
    "redis_mob.models.run",
    "redis_mob.models.transition",
    "redis_mob.operations.run_description",
    "redis_mob.stores.executions",
    "redis_mob.stores.runs",
}
"""What only those need that look into a run."""


def imported_by(*words: str) -> set[str]:
    """The modules that a command has when it ends, in an interpreter of its own."""
    program = (
        f"import json, sys\nfrom redis_mob.cli import main\nsys.argv = {['redis-mob', *words]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print()\nprint(json.dumps([*sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names: Iterable[str] = json.loads(ended.stdout.splitlines()[-1])
    return set(names)


@pytest.mark.parametrize("command", ["ls", "count", "show"])
async def test_a_command_that_reads_imports_what_it_shows(server_url: str, namespace: str, command: str) -> None:
    async def answer(_: Any) -> str:
        return "x"

    async with MobStorage.open(server_url, namespace=namespace) as storage:
        ended = await run_flow(storage, mob({"a": step()}), answer)
    run = (ended.run_id,) if command == "show" else ()
    has = imported_by(command, *run, "--url", server_url, "--namespace", namespace)
    assert has & (OF_NO_READER if command == "show" else OF_NO_READER | OF_NO_LIST) == set()


def test_a_command_is_imported_without_the_others() -> None:
    has = imported_by("ls", "--help")
    assert {name for name in has if name.startswith("redis_mob.cli.commands.")} == {"redis_mob.cli.commands.ls"}


def test_each_module_of_commands_is_in_the_table() -> None:
    files = Path(str(commands.__file__)).parent.glob("*.py")
    assert {one.module for one in COMMANDS} == {file.stem for file in files} - {"__init__"}


def test_a_command_that_reads_ends_without_a_search_for_garbage() -> None:
    program = (
        "import atexit, gc, sys\nfrom redis_mob.cli import main\nsys.argv = ['redis-mob', 'ls', '--help']\n"
        "atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 100 * len(gc.get_objects())))\nmain()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "False True"
