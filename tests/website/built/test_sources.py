"""What the site is made of, as it is staged for Sphinx."""

from __future__ import annotations

from pathlib import Path

from website.navigation import ROOT
from website.staging import stage


def test_what_is_unchanged_is_not_touched_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    stage(tmp_path)
    (old := tmp_path / "old.md").write_text("# Old\n")
    (changed := tmp_path / "flows.md").write_text("# Changed\n")
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.md")}
    stage(tmp_path)
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.md")}
    assert set(before) - set(after) == {old}
    assert {file for file, time in after.items() if before[file] != time} == {changed}
    assert (tmp_path / "pictures" / "run.png").read_bytes() == (ROOT / "docs" / "pictures" / "run.png").read_bytes()
