"""Docstrings are Markdown, in which citations and names become links."""

from __future__ import annotations

import sys
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, Field

from website.docstrings import linked, without_checks, without_fields

DECISIONS = {"0015": "0015-sessions"}
ABSENT = "0999"
"""Apart from the word before it, so that it is not taken for a citation of this file."""


@pytest.mark.parametrize(
    ("docstring", "markdown"),
    [
        ("Once (contract: store-15, engine-3).", "Once (contract: [store-15](#store-15), [engine-3](#engine-3))."),
        ("Why: decision 0015.", "Why: [decision 0015](/decisions/0015-sessions.md)."),
        (f"See decision {ABSENT}.", f"See decision {ABSENT}."),
        ("As `Fleet.start` and `get_run()`.", "As {name}`Fleet.start` and {name}`get_run`."),
        ("`a list, of texts` stays", "`a list, of texts` stays"),
        ("Raises NotFoundError if so.", "Raises {name}`NotFoundError` if so."),
        ("Raises `NotFoundError` if so.", "Raises {name}`NotFoundError` if so."),
        ("As in:\n\n    raise NotFoundError(`x`)", "As in:\n\n    raise NotFoundError(`x`)"),
    ],
)
def test_what_a_docstring_cites_is_linked(docstring: str, markdown: str) -> None:
    assert linked(docstring, DECISIONS) == markdown


def test_types_are_shown_without_what_pydantic_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(BaseModel):
        count: Annotated[int, Field(ge=0)]
        names: tuple[Annotated[str, AfterValidator(str.strip)], ...] = ()

    monkeypatch.setitem(sys.modules, "redis_mob.models.counted", sys.modules[__name__])
    Counted.__module__ = "redis_mob.models.counted"
    without_checks(Counted)
    assert Counted.__annotations__ == {"count": int, "names": tuple[str, ...]}
    assert Counted.model_validate({"count": 1, "names": [" a "]}).names == ("a",)


def test_a_model_is_shown_by_its_fields_and_anything_else_by_its_signature() -> None:
    class Model(BaseModel):
        count: int

    def shown(value: object) -> object:
        return without_fields(None, "class", "", value, None, "(x)", "")  # pyright: ignore[reportArgumentType] - unused

    assert shown(Model) == ("", None)
    assert shown(dict) is None
