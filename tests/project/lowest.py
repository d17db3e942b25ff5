"""Installs the oldest releases that pyproject.toml allows, and runs tests on them: `make lowest`.

    python -m tests.project.lowest build/lowest [arguments of pytest]

Each direct dependency and each of an extra has its lower bound, and what they need in turn is the newest that goes with
that. A bound below what can be installed beside the others is refused: it promises what no user can have.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.project.checkout import ROOT, text_of

TESTS = (
    "tests/conformance/test_memory.py",
    "tests/conformance/test_valkey.py",
    *(f"tests/{room}" for room in ("models", "codec", "kernel", "security")),
    *(f"tests/cli/test_{part}.py" for part in ("help", "display", "columns", "failures", "run", "show", "doctor")),
)

FOR_THE_TESTS = ("fakeredis", "hypothesis", "pytest-randomly", "pytest-xdist", "pyyaml")
"""What the tests import beside the extras, by names of the group `dev`."""


def main(folder: Path, tests: list[str]) -> None:
    pinned = folder / "lowest.txt"
    folder.mkdir(parents=True, exist_ok=True)
    lowest = ("--all-extras", "--resolution", "lowest-direct", "--no-annotate", "--no-header", "--quiet")
    _uv("pip", "compile", "pyproject.toml", *lowest, "--python", sys.executable, "--output-file", pinned)
    found = dict(pin.split("==") for pin in pinned.read_text().split() if "==" in pin)
    project = tomllib.loads(text_of("pyproject.toml"))
    direct = list(direct_requirements(project["project"]))
    for wanted in sorted(direct, key=str):
        print(f"{wanted}: {found.get(canonicalize_name(wanted.name), 'not installed here')}", flush=True)
    if unreachable := bounds_out_of_reach(direct, found):
        sys.exit(f"lower bounds that cannot be installed; raise them in pyproject.toml: {', '.join(unreachable)}")

    environment = folder / "environment"
    _uv("venv", "--quiet", "--clear", "--python", sys.executable, environment)
    others = [wanted for wanted in project["dependency-groups"]["dev"] if isinstance(wanted, str)]
    others = [wanted for wanted in others if Requirement(wanted).name in FOR_THE_TESTS]
    into = ("--quiet", "--python", environment / "bin" / "python")
    _uv("pip", "install", *into, "--requirement", pinned, "--constraint", pinned, *others, "--editable", ".")
    pytest = [environment / "bin" / "python", "-m", "pytest", "-n", "auto", "--dist", "worksteal", "-q"]
    sys.exit(subprocess.run([*pytest, *(tests or TESTS)], cwd=ROOT, check=False).returncode)


def direct_requirements(project: dict[str, Any]) -> Iterator[Requirement]:
    """What the package and its extras ask for, the package itself left out."""
    for wanted in chain(project["dependencies"], *project["optional-dependencies"].values()):
        if (requirement := Requirement(wanted)).name != project["name"]:
            yield requirement


def lower_bound(requirement: Requirement) -> Version | None:
    """The version of `>=`, or None if there is none."""
    return next((Version(one.version) for one in requirement.specifier if one.operator == ">="), None)


def bounds_out_of_reach(direct: Iterable[Requirement], found: dict[str, str]) -> list[str]:
    """The requirements of which a newer release than the lower bound was found, or none was asked for."""
    return [
        f"{wanted} (found {version})"
        for wanted in direct
        if (version := found.get(canonicalize_name(wanted.name))) and Version(version) != lower_bound(wanted)
    ]


def _uv(*words: str | Path) -> None:
    subprocess.run([Path(sys.executable).parent / "uv", *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
