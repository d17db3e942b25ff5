"""The programs of the docs do what the docs say, and a strict type checker finds nothing in them.

A block that begins with ```python run is a whole program; if a ```text block follows, that is what it prints.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROGRAM = re.compile(r"^```python run\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """A program of a page."""

    where: str
    text: str
    output: str | None


def programs() -> list[Program]:
    found: list[Program] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in PROGRAM.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            where = f"{page.relative_to(ROOT).with_suffix('').as_posix().replace('/', '_')}_{line}"
            found.append(Program(where, match[1], match[2]))
    return found


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.where)
def test_a_program_of_the_docs_runs(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(program.text, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(file)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    if program.output is not None:
        assert [line.rstrip() for line in ended.stdout.splitlines()] == program.output.splitlines()


def test_a_strict_type_checker_finds_nothing_in_them(tmp_path: Path) -> None:
    for program in programs():
        (tmp_path / f"{program.where}.py").write_text(program.text, encoding="utf-8")
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout
