"""The benchmark runs and prints what it promises; its figures are nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_benchmark_of_the_compound_operations_ends_with_one_json_object() -> None:
    command = [sys.executable, "bench/compound_operations.py", "--rounds", "2", "--steps", "3"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    printed = json.loads(ended.stdout.splitlines()[-1])
    names = {result["name"] for result in printed["results"]}
    assert {"do_nothing", "cas_grant_node_slot", "cas_complete_loop"} <= names
    assert all(result["value"] > 0 and result["baseline"] == "do_nothing" for result in printed["results"])
