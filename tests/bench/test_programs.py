"""The benchmarks run and print what they promise; figures depend on the machine, so that no test compares them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from bench.peers.compare import ONE, THREE, tables
from bench.peers.table import latency, medians, ratio, table

ROOT = Path(__file__).resolve().parent.parent.parent


def printed_by(program: str, *options: str) -> dict[str, Any]:
    """What a short run of a benchmark prints in the end."""
    command = [sys.executable, f"bench/{program}", "--steps", "3", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(ended.stdout.splitlines()[-1])


def test_only_runs_one_after_the_other_have_a_latency() -> None:
    command = [sys.executable, "bench/peers/redis_mob_steps.py", "--forms", "latency:3x2", "2x2"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    one_by_one, at_once = json.loads(ended.stdout.splitlines()[-1])
    assert one_by_one["p50 ms"] > 0
    assert "p50 ms" not in at_once


def cells_of(shown: Table) -> list[list[str]]:
    """What a table shows: its headings, then its rows."""
    columns = [[str(column.header), *map(str, column.cells)] for column in shown.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def test_repetitions_come_to_the_median_of_each_figure() -> None:
    repetitions = [{"steps/s": 9.0, "ms": 1.0}, {"steps/s": 5.0, "ms": 3.0}, {"steps/s": 100.0, "ms": 2.0}]
    assert medians(repetitions) == {"steps/s": 9.0, "ms": 2.0}


def test_a_further_step_costs_half_of_what_two_more_take() -> None:
    assert latency(one=2.0, three=5.0) == {"1 step": 2.0, "3 steps": 5.0, "further": 1.5}


@pytest.mark.parametrize("theirs", [0.0, -0.5])
def test_there_is_no_ratio_to_nothing_or_less(theirs: float) -> None:
    assert ratio(3.0, theirs) is None


def test_a_table_has_the_ratios_of_each_baseline_that_took_part() -> None:
    figures = {"ours": {"steps/s": 300.0}, "theirs": {"steps/s": 1200.0}, "stuck": {"steps/s": 0.0}}
    assert cells_of(table("20x10", figures, ("ours", "ours, fsync"))) == [
        ["", "steps/s", "ours\n/ it:\nsteps/s"],
        ["ours", "300", "1.00"],
        ["theirs", "1200", "0.25"],
        ["stuck", "0.00", "-"],
    ]


def test_both_latencies_come_to_one_table_of_those_who_have_both() -> None:
    ours = [{"p50 ms": 4.0, "steps/s": 250.0}]
    results = {"20x10": {"ours": [{"steps/s": 7.0}]}, ONE: {"ours": ours, "failed": ours}, THREE: {"ours": ours}}
    throughput, latencies = map(cells_of, tables(results))
    assert throughput == [["", "steps/s"], ["ours", "7.00"]]
    assert latencies == [["", "1 step", "3 steps", "further"], ["ours", "4.00", "4.00", "0.00"]]


def test_the_memory_of_finished_runs_is_told_key_by_key() -> None:
    result = printed_by("memory.py", "--runs", "2")
    assert {key for key, size in result["own"].items() if size > 0} == {
        *("run", "frames", "outputs", "steps", "step_outputs", "authority", "index", "executions")
    }
    assert result["shared"]["events"] > 0
