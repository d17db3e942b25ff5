"""docs/versions.md calls tested what a job tests, public what can be imported, and deprecated what warns of it."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from itertools import takewhile
from typing import Any

import pytest
import yaml

from redis_mob.connection.servers.server_info import OLDEST
from tests.project.checkout import ROOT, text_of

PAGE = text_of("docs/versions.md")
JOBS: dict[str, Any] = yaml.safe_load(text_of(".github/workflows/tests.yml"))["jobs"]
SUPPORT = "## What is supported"
DEPRECATIONS = {"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "deprecated"}


def table(after: str) -> list[list[str]]:
    """The cells of the first table behind a text, without its headings."""
    lines = iter(PAGE.partition(after)[2].splitlines())
    next(line for line in lines if line.startswith("|--"))
    return [
        [cell.strip() for cell in row.strip("|").split("|")] for row in takewhile(lambda row: row[:1] == "|", lines)
    ]


MATRIX = {what: (tested.split(", "), job.strip("`")) for what, tested, job, _ in table(SUPPORT)}


def matrix_of(job: str, name: str) -> list[str]:
    return JOBS[job]["strategy"]["matrix"][name]


def test_each_row_names_a_job_and_each_job_that_tests_has_a_row() -> None:
    assert {job for _, job in MATRIX.values()} == JOBS.keys() - {"lint", "audit"}


def test_the_pythons_are_those_of_the_job_and_of_the_classifiers() -> None:
    tested, job = MATRIX["Python"]
    assert matrix_of(job, "python") == tested
    classifiers = tomllib.loads(text_of("pyproject.toml"))["project"]["classifiers"]
    assert [f"Programming Language :: Python :: {one}" for one in tested] == [
        one for one in classifiers if "Python :: 3." in one
    ]


@pytest.mark.parametrize(("product", "image"), [("Redis", "redis"), ("Valkey", "valkey/valkey")])
def test_the_servers_are_those_of_the_job_and_begin_with_the_oldest_that_is_taken(product: str, image: str) -> None:
    tested, job = MATRIX[product]
    images = [one.split(":") for one in matrix_of(job, "image")]
    assert [version for name, version in images if name == image] == tested
    assert tested[0] == ".".join(map(str, OLDEST[product]))


def test_the_topologies_are_those_of_the_profiles_that_the_job_tries() -> None:
    tested, job = MATRIX["topologies"]
    assert any("test-topologies" in step.get("run", "") for step in JOBS[job]["steps"])
    [tried] = re.findall(r"^DURABILITY = (\{.*\})$", text_of("tests/docker/test_topologies.py"), re.MULTILINE)
    assert sorted(ast.literal_eval(tried)) == sorted(one.lower().replace("one server", "single") for one in tested)


def test_the_drivers_are_those_of_the_job() -> None:
    (lowest, _), job = MATRIX["redis-py"]
    assert matrix_of(job, "redis")[0] == f"redis=={lowest}"


@pytest.mark.parametrize(
    ("what", "target"), [("dependencies", "make lowest"), ("the wheel and the source archive", "make smoke")]
)
def test_the_other_rows_have_jobs_that_do_it(what: str, target: str) -> None:
    assert target in [step.get("run") for step in JOBS[MATRIX[what][1]]["steps"]]


def test_the_lower_bounds_are_tested_on_the_oldest_python() -> None:
    setup = next(step for step in JOBS["lowest"]["steps"] if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == MATRIX["Python"][0][0]


def test_the_public_packages_say_what_is_public_of_them() -> None:
    packages = [row[0].strip("`") for row in table("| package |")]
    assert packages[0] == "redis_mob"
    assert all(import_module(package).__all__ for package in packages)


def deprecated_in(source: str) -> list[str]:
    """The functions and classes that warn of being deprecated, `<module>` for what does so outside of any."""
    found: list[str] = []

    def walk(node: ast.AST, inside: str) -> None:
        names = {one.id for one in ast.iter_child_nodes(node) if isinstance(one, ast.Name)}
        names |= {one.attr for one in ast.iter_child_nodes(node) if isinstance(one, ast.Attribute)}
        found.extend([inside] * bool(names & DEPRECATIONS))
        for child in ast.iter_child_nodes(node):
            walk(
                child,
                child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else inside,
            )

    walk(ast.parse(source), "<module>")
    return found


def test_what_warns_is_found() -> None:
    source = (
        "import warnings\n@warnings.deprecated('x')\ndef a(): ...\nclass B:\n"
        "    def c(self):\n        warnings.warn('c goes', category=DeprecationWarning)\n"
        "def d(): warnings.warn('hot', UserWarning)\n"
    )
    assert deprecated_in(source) == ["a", "c"]


def test_all_that_is_deprecated_is_in_the_table_and_in_the_changelog() -> None:
    sources = {file: file.read_text(encoding="utf-8") for file in (ROOT / "redis_mob").rglob("*.py")}
    suspects = [source for source in sources.values() if any(word in source for word in DEPRECATIONS)]
    warned = {name for source in suspects for name in deprecated_in(source)}
    rows = table("| deprecated |")
    named = {name for row in rows for name in re.findall(r"\w+", row[0])}
    assert warned <= named
    assert not rows or "### Deprecated" in text_of("CHANGELOG.md")
    assert bool(rows) != ("Nothing is, so far." in PAGE)


def test_the_policy_of_security_is_the_same() -> None:
    kept = "For six months after a major version, the last minor version of the one before"
    assert kept in PAGE
    [row] = re.findall(r"^\| the last minor version .* \|$", text_of("SECURITY.md"), re.MULTILINE)
    assert "six months" in row
    assert "(docs/versions.md#what-is-supported)" in text_of("SECURITY.md")
