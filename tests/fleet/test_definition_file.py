"""Definitions read from files: every error names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.errors import DefinitionError
from redis_mob.fleet.definition_file import load_definition
from redis_mob.models.definition import MobDefinition
from tests.support.golden import DATA

DEFINITIONS = DATA / "wire" / "definitions"


def test_the_suffix_decides(tmp_path: Path) -> None:
    from_toml = load_definition(DEFINITIONS / "research_loop.toml")
    assert isinstance(from_toml, MobDefinition)
    written = tmp_path / "research_loop.json"
    written.write_text(from_toml.model_dump_json(), encoding="utf-8")
    assert load_definition(str(written)) == from_toml


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("mob.yaml", b"", "a definition is a .toml or a .json file"),
        ("mob", b"", "a definition is a .toml or a .json file"),
        ("mob.toml", b"[mob]\nid = '\xff'\n", "is no UTF-8 text (byte 12)"),
        ("mob.toml", b"[mob]\n", "mob.id: is missing"),
        ("mob.TOML", b"[mob]\nid = 1\n", "mob.id: must be a text, not 1"),
        ("mob.json", b'{"flows":{"f":{"steps":{"s":{"role":"r"}}}},"id":"x"}', "flows.f.steps.s.message: is missing"),
        ("mob.json", b"[]", "must be a table (an object in JSON)"),
    ],
)
def test_an_error_names_the_file_and_the_place(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DefinitionError) as caught:
        load_definition(path)
    assert str(caught.value) == f"{path}: {complaint}"


def test_broken_json_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "mob.json"
    path.write_text('{"id":\n')
    with pytest.raises(DefinitionError, match=r"mob\.json: .*line 2"):
        load_definition(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"gone\.toml: cannot be read: No such file"):
        load_definition(tmp_path / "gone.toml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "mob.toml").mkdir()
    with pytest.raises(DefinitionError, match=r"mob\.toml: cannot be read"):
        load_definition(tmp_path / "mob.toml")
