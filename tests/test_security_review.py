"""The review of security names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "test"), NAMED.findall(PAGE))
def test_a_test_that_is_named_is_there(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_bytes())
    there = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert test in there, f"{file} has no {test}"


def test_every_line_of_a_table_names_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| attack |")]
    assert len(rows) > 30
    assert not [row for row in rows if not NAMED.search(row)]


def test_the_policy_leads_to_the_review() -> None:
    assert "docs/security.md" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
