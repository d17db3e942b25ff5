"""Definitions read from files: every error names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.errors import DefinitionError
from redis_mob.fleet.definition_file import load_definition, load_definition_file
from redis_mob.models.definition import MobDefinition
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.retention import RetentionPolicy
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
        ("mob.toml", b"[mob]\nid = '\xff'\n", "is no UTF-8 text (byte 12); save it as UTF-8"),
        ("mob.toml", b"\xef\xbb\xbf[mob]\nid = '\xff'\n", "is no UTF-8 text (byte 15); save it as UTF-8"),
        ("mob.toml", "[mob]\nid = 'x'\n".encode("utf-16"), "is UTF-16 or UTF-32 text; save it as UTF-8"),
        (
            "mob.json",
            '{"id":"x"}'.encode("utf-16-be"),
            "has a NUL in line 1, as UTF-16 without a byte order mark has; save it as UTF-8",
        ),
        ("mob.toml", b"\xfe\xff\x00[", "is UTF-16 or UTF-32 text; save it as UTF-8"),
        ("mob.toml", "[mob]\nid = 'x'\n".encode("utf-32"), "is UTF-16 or UTF-32 text; save it as UTF-8"),
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


@pytest.mark.parametrize(("name", "content"), [("mob.toml", '[mob]\r\nid = "x"\r\n'), ("mob.json", '{"id": "x"}')])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8-sig"))
    assert load_definition(path) == MobDefinition(id="x")


def test_unknown_keys_are_told_with_the_file_or_are_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    toml, as_json = tmp_path / "mob.toml", tmp_path / "mob.json"
    toml.write_text('[mob]\nid = "x"\n[limit]\nn = 1\n[limits]\nmax_retries = 1\n')
    as_json.write_text('{"id": "x", "limit": {}, "limits": {"max_retries": 1}}')
    sentences = [
        "limit: there is no such key (nearest: 'limits')",
        "limits.max_retries: there is no such key (nearest: 'max_step_retries')",
    ]
    for path in (toml, as_json):
        told: list[str] = []
        load_definition(path, tell=told.append)
        assert told == [f"{path}: {one}; it is ignored" for one in sentences]
        assert not caplog.records
        load_definition(path)
        assert caplog.messages == told
        caplog.clear()
        with pytest.raises(DefinitionError) as caught:
            load_definition(path, strict=True)
        assert str(caught.value) == f"{path}: " + "\n".join(sentences)


def test_retention_stands_beside_the_definition(tmp_path: Path) -> None:
    """Also where warnings are errors; what is wrong with it is one always (contract: operations-89)."""
    toml, as_json = tmp_path / "mob.toml", tmp_path / "mob.json"
    toml.write_text('[mob]\nid = "x"\n[retention]\nmax_runs = 5\n')
    as_json.write_text('{"id": "x", "retention": {"max_runs": 5}}')
    for path in (toml, as_json):
        assert load_definition(path, strict=True) == MobDefinition(id="x")
        assert load_definition_file(path).retention == MobRetention(policy=RetentionPolicy(max_runs=5))
        path.write_text(path.read_text().replace("max_runs", "max_rnus"))
        with pytest.raises(DefinitionError) as caught:
            load_definition(path)
        assert str(caught.value) == f"{path}: retention.max_rnus: there is no such key (nearest: 'max_runs')"


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
