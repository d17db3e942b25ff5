"""The program of docs/signals.md does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from redis_mob import MobDefinition
from redis_mob.kernel.validation import validate

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "signals.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The only block of this language."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return text


def test_the_definition_is_valid() -> None:
    assert validate(MobDefinition.from_toml(block("toml"))) == ()


async def test_the_program_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server_url: str
) -> None:
    (tmp_path / "release.toml").write_text(block("toml"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    defined: dict[str, Any] = {"__name__": "release"}
    exec(block("python"), defined)  # noqa: S102
    await defined["main"](server_url)
    shown = block("console").partition("\n")[2]
    assert capsys.readouterr().out == shown
