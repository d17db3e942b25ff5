"""The workflows name what is there: targets, modules, files, jobs, and the versions that the package promises."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project.checkout import ROOT, text_of

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]


def parsed(file: Path) -> dict[Any, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def jobs_of(workflow: str) -> dict[str, Any]:
    return parsed(ROOT / ".github" / "workflows" / workflow)["jobs"]


def steps() -> Iterator[dict[str, Any]]:
    for file in WORKFLOWS:
        for job in parsed(file)["jobs"].values():
            yield from job.get("steps", ())


def words() -> Iterator[list[str]]:
    """Each line that a step runs, in words; what a matrix puts in is one word."""
    for step in steps():
        for line in re.sub(r"\$\{\{.*?\}\}", "matrix", step.get("run", "")).splitlines():
            for command in line.split("&&"):
                yield shlex.split(command)


def make_targets() -> set[str]:
    makefile = text_of("Makefile").replace("$(VENV)", ".venv")
    return set(re.findall(r"^([\w./-]+):(?!=)", makefile, re.MULTILINE))


def test_the_targets_are_in_the_makefile() -> None:
    asked = {target for command in words() if command[0] == "make" for target in command[1:] if "=" not in target}
    assert asked
    assert asked <= make_targets()


def test_the_modules_that_are_run_exist() -> None:
    run = {command[command.index("-m") + 1] for command in words() if "-m" in command and "pip" not in command}
    assert run == {"tests.project.release_notes"}
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in run)


def test_the_paths_of_tests_exist() -> None:
    paths = {path for command in words() for path in re.findall(r"\btests/[\w./-]+", " ".join(command))}
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_job_needs_jobs_of_its_workflow(file: Path) -> None:
    jobs = parsed(file)["jobs"]
    assert set(chain.from_iterable(job.get("needs", ()) for job in jobs.values())) <= jobs.keys()
    for job in jobs.values():
        assert (ROOT / job.get("uses", ".")).exists()


def test_each_python_that_the_package_names_is_tested() -> None:
    language = "Programming Language :: Python :: "
    named = [classifier.removeprefix(language) for classifier in PROJECT["classifiers"] if language in classifier]
    assert jobs_of("tests.yml")["python"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_the_oldest_servers_that_the_readme_promises_are_tested() -> None:
    promised = re.search(r"Redis (\d+\.\d+) or later, Valkey (\d+\.\d+) or later", text_of("README.md"))
    assert promised
    images = jobs_of("tests.yml")["server"]["strategy"]["matrix"]["image"]
    assert next(image for image in images if image.startswith("redis:")) == f"redis:{promised[1]}"
    assert next(image for image in images if image.startswith("valkey/")) == f"valkey/valkey:{promised[2]}"


def test_the_lowest_and_the_newest_redis_py_that_are_allowed_are_tested() -> None:
    [allowed] = (wanted for wanted in PROJECT["dependencies"] if re.match(r"redis\b", wanted))
    lowest, newest = jobs_of("tests.yml")["driver"]["strategy"]["matrix"]["redis"]
    assert newest == allowed
    assert re.sub(r"(\.0)*$", "", lowest) == allowed.split(",")[0].replace(">=", "==")


def test_only_the_jobs_that_publish_may_do_more_than_read() -> None:
    more = {
        "release": {"publish": {"id-token": "write"}, "release": {"contents": "write"}},
        "docs": {"site": {"contents": "write"}},
    }
    for file in WORKFLOWS:
        workflow = parsed(file)
        assert workflow["permissions"] == {"contents": "read"}
        allowed = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        assert allowed == more.get(file.stem, {})


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda form: form.stem
)
def test_the_forms_of_issues_ask_for_something(form: Path) -> None:
    content = parsed(form)
    if form.stem == "config":
        assert content["contact_links"]
    else:
        asked = [field for field in content["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in asked}) == len(asked) > 0
        assert {"name", "description"} <= content.keys()
