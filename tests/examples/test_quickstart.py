"""The smallest flow there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from examples.quickstart import handlers, hello
from redis_mob.kernel.validation import validate
from redis_mob.models.definition import MobDefinition
from redis_mob.testing import step_context


def test_the_definition_is_valid() -> None:
    definition = MobDefinition.from_toml(Path(handlers.__file__).with_name("hello.toml").read_text())
    assert validate(definition) == ()
    assert list(definition.flows) == ["hello"]


def test_it_greets_whom_it_is_told_to() -> None:
    ada, unnamed = step_context(params={"name": "Ada"}), step_context(params={})
    assert [handlers.greet(ada), handlers.greet(unnamed)] == ["Hello, Ada!", "Hello, world!"]


def test_the_ten_lines_print_their_greeting() -> None:
    file = Path(hello.__file__)
    assert len([line for line in file.read_text().splitlines() if line]) <= 10
    ended = subprocess.run([sys.executable, "-W", "error", str(file)], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("Hello, fleet!\n", "")


def test_the_command_runs_a_mob_of_a_module() -> None:
    command = [sys.executable, "-m", "redis_mob", "run", "examples.quickstart.hello:mob", "--flow", "hello", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(hello.__file__).parents[2])
    assert json.loads(ended.stdout)["outputs"] == {"greet": "Hello, world!"}, ended.stderr
    command[4] = "examples.quickstart.hello:greet"
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(hello.__file__).parents[2])
    assert ended.returncode == 2
    assert "'examples.quickstart.hello:greet' is a function, and no Mob" in ended.stderr
