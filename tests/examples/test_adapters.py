"""The examples of LangGraph and pydantic-ai, whose processes die, go on in other ones."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


async def run(module: str, *arguments: str) -> tuple[int | None, str]:
    """How an example ends, and what it prints; a warning ends it too."""
    command = ["-W", "error", "-m", f"examples.{module}", *arguments]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=-1, stderr=-1, cwd=ROOT)
    told, failed = await process.communicate()
    assert failed == b"", failed.decode()
    return process.returncode, told.decode()


@pytest.mark.parametrize("step", ["outline", "research", "write"])
async def test_a_step_that_has_ended_is_not_done_again(step: str, server_url: str) -> None:
    topic, steps = f"tides-{step}", ["outline", "research", "write"]
    before, after = steps[: steps.index(step)], steps[steps.index(step) :]
    code, told = await run("langgraph_graph", topic, "--url", server_url, "--die-in", step)
    assert code == 1
    assert told.splitlines() == [*(f"{one}: done" for one in before), f"{step}: the process dies"]
    code, told = await run("langgraph_graph", topic, "--url", server_url)
    assert code == 0
    assert told.splitlines()[:-1] == [f"{one}: done" for one in after]
    assert told.splitlines()[-1].startswith(f"three sides of {topic}; known already: ")


async def test_its_page_shows_what_it_prints(tmp_path: Path) -> None:
    page = (ROOT / "examples" / "langgraph_graph" / "README.md").read_text(encoding="utf-8")
    await assert_shown(page, "langgraph_graph", tmp_path)


async def test_the_page_of_the_agent_shows_what_it_prints(tmp_path: Path) -> None:
    page = (ROOT / "examples" / "pydantic_ai_durable" / "README.md").read_text(encoding="utf-8")
    await assert_shown(page, "pydantic_ai_durable", tmp_path)


async def assert_shown(page: str, module: str, folder: Path) -> None:
    """Run the commands of a page one after the other; each prints what stands below it."""
    shown = re.findall(rf"^\$ python -m examples\.{module} (.*)\n((?:(?!\$|```).*\n)*)", page, re.MULTILINE)
    assert len(shown) >= 2
    for arguments, output in shown:
        _, told = await run(module, *arguments.split(), "--url", f"embedded:{folder / 'state'}")
        assert told == output
