"""The fan-out over a source tree: each file by itself, bad ones too, and none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.source_tree.__main__ import told
from examples.source_tree.flow import Found, Summary, source_tree
from redis_mob.testing import run_flow

ROOT = Path(__file__).parents[2]

TREE = {
    "a.py": 'def one():\n    """One."""\n\n\nasync def two():\n    def inner():\n        pass\n',
    "broken.py": "def broken(:\n",
    "notes.txt": "no Python",
    "pkg/b.py": "",
    "pkg/latin.py": "\xe4",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, source in TREE.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(source.encode("latin-1"))
    return tmp_path


async def test_each_file_is_looked_at_by_itself_and_found_in_order(tree: Path) -> None:
    run = await run_flow(source_tree, params={"path": str(tree)})
    found = run.output("inspect", list[Found])
    assert [Path(one.path).name for one in found] == ["a.py", "broken.py", "b.py", "latin.py"]
    assert found[0] == Found(
        path=str(tree / "a.py"), lines=7, functions=3, undocumented=2, longest="two", longest_lines=3
    )
    assert found[2] == Found(path=str(tree / "pkg" / "b.py"))
    assert [bool(one.problem) for one in found] == [False, True, False, True]
    assert set(run.outputs("inspect")) == {"inspector-1#0", "inspector-2#1", "inspector-1#2", "inspector-2#3"}
    text = told(run.output("summary", Summary))
    assert text.startswith(
        "4 files, 7 lines, 3 functions\n67% of the functions have no docstring\nlong: 3 lines: two in "
    )
    assert text.count("problem: ") == 2


async def test_an_empty_folder_has_an_empty_summary(tmp_path: Path) -> None:
    run = await run_flow(source_tree, params={"path": str(tmp_path)})
    assert run.output("inspect") == []
    assert told(run.output("summary", Summary)).startswith("0 files, 0 lines")


async def test_a_folder_that_is_not_there_fails_the_run_at_once(tmp_path: Path) -> None:
    run = await run_flow(source_tree, params={"path": str(tmp_path / "none")})
    assert run.status == "failed"
    assert "must name a folder" in run.failure_ledger[0].reason


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "examples.source_tree", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program_prints_the_summary(tree: Path) -> None:
    ended = program(str(tree))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("4 files, 7 lines, 3 functions\n")


def test_the_program_ends_with_what_has_failed(tmp_path: Path) -> None:
    ended = program(str(tmp_path / "none"))
    assert ended.returncode == 1
    assert "has failed: step 'list': the parameter path must name a folder" in ended.stderr.splitlines()[-1]
