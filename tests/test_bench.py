"""The benchmark runs and prints what it promises; its figures depend on the machine, so that no test compares them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis_mob.testing.samples.compound import COMPOUND

ROOT = Path(__file__).resolve().parent.parent


def printed_by(program: str, *options: str) -> dict[str, Any]:
    """What a short run of a benchmark prints in the end."""
    command = [sys.executable, f"bench/{program}", "--steps", "3", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(ended.stdout.splitlines()[-1])


def results_of(program: str) -> list[dict[str, Any]]:
    """The results of a benchmark of the store's operations."""
    return printed_by(program, "--rounds", "2")["results"]


def test_the_benchmark_of_the_compound_operations_ends_with_one_json_object() -> None:
    results = results_of("compound_operations.py")
    names = {result["name"] for result in results}
    assert {"do_nothing", "cas_grant_node_slot", "cas_complete_loop"} <= names
    assert all(result["value"] > 0 and result["baseline"] == "do_nothing" for result in results)


def test_the_cost_of_a_session_is_told_for_each_compound_operation() -> None:
    results = results_of("session_cost.py")
    assert {result["name"] for result in results} == {operation.name for operation in COMPOUND} | {"cas_flow_state"}
    assert all(result["ratio"] > 0 for result in results)


def test_the_memory_of_finished_runs_is_told_key_by_key() -> None:
    result = printed_by("memory.py", "--runs", "2")
    assert {key for key, size in result["own"].items() if size > 0} == {
        *("run", "frames", "outputs", "steps", "step_outputs", "authority", "index", "executions")
    }
    assert result["shared"]["events"] > 0
