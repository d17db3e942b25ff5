"""The suite catches each mutant of the stores in memory, by the cases that one would expect."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.mutants import MUTANTS

ROOT = Path(__file__).resolve().parent.parent.parent
CASE = re.compile(r"(?:config_)?case_\d+")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, tmp_path: Path) -> None:
    report = tmp_path / "guarantees.json"
    cases = " or ".join(MUTANTS[name].caught_by)  # the others take ten times as long, and nothing is expected of them
    options = ["-q", "-k", cases, "-p", "redis_mob.testing.plugin", "-p", "no:cacheprovider", "-p", "no:xdist"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--guarantees", str(report), "tests/conformance/mutants.py"],
        cwd=ROOT,
        env={**os.environ, "MUTANT": name, "REDIS_MOB_NO_SKIPS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout
    [guarantees] = json.loads(report.read_text()).values()
    failed = "\n".join(test for findings in guarantees.values() for test in findings["failed"])
    assert MUTANTS[name].caught_by <= set(CASE.findall(failed)), failed
