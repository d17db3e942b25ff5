"""The Python API of the site has each public name once, as Markdown too."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

import pytest

import redis_mob
from website.api import ApiPage, Name, pages, read_api
from website.api_text import as_text


@pytest.fixture(scope="module")
def api() -> list[ApiPage]:
    return read_api()


def names(api: list[ApiPage]) -> list[Name]:
    return [name for page in api for group in page.groups for name in group.names]


@pytest.mark.parametrize(
    "module",
    [
        "redis_mob",
        "redis_mob.models",
        "redis_mob.flows",
        "redis_mob.sync",
        "redis_mob.testing",
        "redis_mob.handlers",
        "redis_mob.langgraph",
        "redis_mob.mcp",
        "redis_mob.pydantic_ai",
        "redis_mob.contracts",
        "redis_mob.bench",
    ],
)
def test_every_public_name_is_documented(api: list[ApiPage], module: str) -> None:
    there = {(name.module, name.name) for name in names(api)}
    values = [name.value for name in names(api)]
    exported = import_module(module).__all__
    lost = [
        name
        for name in exported
        if (module, name) not in there and not any(getattr(import_module(module), name) is value for value in values)
    ]
    assert not lost, f"{module}: add {lost} to website/api.toml"


def test_no_name_is_documented_twice(api: list[ApiPage]) -> None:
    counted = Counter((name.module, name.name) for name in names(api))
    assert not [name for name, count in counted.items() if count > 1]


def test_the_index_lists_each_page_with_what_it_is_imported_from() -> None:
    made = pages()
    index = made["api/index.md"]
    assert all(f"]({place.removeprefix('api/')})" in index for place in made if place != "api/index.md")
    assert "| [A storage](storage.md) | `redis_mob` |" in index


def test_a_page_as_text_has_signatures_and_docstrings(api: list[ApiPage]) -> None:
    [fleet] = [page for page in api if page.file == "fleet"]
    text = as_text(fleet)
    assert "### `redis_mob.Fleet`" in text
    assert "Fleet.start(self, " in text
    assert (redis_mob.Fleet.__doc__ or "").partition("\n")[0] in text


def test_inherited_methods_of_operators_are_there(api: list[ApiPage]) -> None:
    [operations] = [page for page in api if page.file == "operations"]
    assert "FleetAdmin.cancel(" in as_text(operations)
