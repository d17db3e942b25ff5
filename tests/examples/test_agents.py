"""The examples of agents print what their page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.test_adapters import ROOT, run

PAGE = (ROOT / "examples" / "agents" / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ python -m examples\.agents\.(.*)\n((?:(?!\$|```).*\n)*)", PAGE, re.MULTILINE)


def test_the_page_shows_each_program() -> None:
    programs = {path.stem for path in Path(ROOT / "examples" / "agents").glob("*.py")} - {"model_server"}
    assert {command.split()[0] for command, _ in SHOWN} == programs


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
async def test_a_program_prints_what_its_page_shows(command: str, output: str) -> None:
    program, *arguments = command.split()
    assert await run(f"agents.{program}", *arguments) == (0, output)
