"""The programs on the page about handlers run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_mob import MobDefinition, StepProfile
from redis_mob.handlers.request import request_of
from redis_mob.kernel.validation import validate
from tests.handlers.contexts import context

PAGE = Path(__file__).parents[2] / "docs" / "handlers.md"
PROGRAM = re.compile(r"^### ([^\n]*)\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROGRAMS = dict(PROGRAM.findall(PAGE.read_text()))


def handlers(heading: str) -> dict[str, Callable[..., Any]]:
    module: dict[str, Any] = {"__name__": "handlers_of_the_page"}
    exec(compile(PROGRAMS[heading], f"{PAGE}: {heading}", "exec", dont_inherit=True), module)  # noqa: S102
    return module["HANDLERS"]


def test_each_handler_has_a_program_on_the_page() -> None:
    assert list(PROGRAMS) == [
        "A program",
        "A service",
        "A chat model",
        "An agent of pydantic-ai",
        "An agent of the OpenAI Agents SDK",
    ]


@pytest.mark.parametrize("heading", PROGRAMS)
def test_a_program_of_the_page_makes_handlers(heading: str) -> None:
    assert all(map(callable, handlers(heading).values()))


async def test_the_program_of_the_page_that_needs_no_file_answers() -> None:
    assert await handlers("A program")["shouter"](context(message="hello")) == "HELLO"


async def test_the_agent_of_the_page_answers() -> None:
    assert await handlers("An agent of pydantic-ai")["judge"](context(profile=StepProfile())) == {
        "good": False,
        "why": "a",
    }


def test_the_definition_of_the_page_is_valid() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    [text] = [block for block in blocks if "[profiles" in block]
    definition = MobDefinition.from_toml(f'[mob]\nid = "page"\n\n{text}')
    assert validate(definition) == ()


def test_the_page_names_all_fields_of_a_request() -> None:
    page = PAGE.read_text()
    assert [name for name in request_of(context()) if f"`{name}`" not in page] == []
