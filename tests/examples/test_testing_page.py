"""The programs of docs/testing.md do what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the programs of the page."""
    directory = tmp_path_factory.mktemp("reviews")
    for name, program in PROGRAMS.items():
        (directory / name).write_text(program, encoding="utf-8")
    settings = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    (directory / "pytest.ini").write_text(f"[pytest]\npythonpath = .\n{settings}")
    return directory


def test_every_program_of_the_page_has_a_name() -> None:
    assert len(PROGRAMS) == PAGE.count("```python\n") == 8


def test_the_tests_of_the_page_pass(project: Path) -> None:
    plugins = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")
    told = run(project, "-m", "pytest", "-q", *plugins)
    assert told.returncode == 0, told.stdout
    assert "13 passed" in told.stdout


def test_the_script_of_the_page_prints_the_report(project: Path) -> None:
    told = run(project, "script.py")
    assert (told.stdout, told.stderr) == ("reviewer-1 has read a.py\n", "")


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=directory, capture_output=True, text=True, check=False)
