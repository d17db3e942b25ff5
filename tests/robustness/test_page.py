"""The page of a campaign says what its lines say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from redis_mob.testing.robustness.campaign import SAFE, plan
from redis_mob.testing.robustness.nemeses import NEMESES
from redis_mob.testing.robustness.verdict import Setting, Verdict
from tests.robustness.page import main, read


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """The lines of four histories, one of them broken and one not made, and of a saboteur."""
    lost = Setting(durability="memory", nemesis="kill", seed=7)
    verdicts = [
        Verdict(lost, operations=1000, told_losses=12, clients_told=3, recoveries=[0.1, 0.3]),
        Verdict(lost, operations=2000, told_losses=1, clients_told=1, recoveries=[0.2]),
        Verdict(Setting(nemesis="pause", seed=8), operations=500, anomalies=["an event\nis lost"]),
        Verdict(Setting(nemesis="partition"), skipped="only root can make a network namespace"),
    ]
    found = {"saboteur": "records-overwritten", "room": "lua", "found": True, "seconds": 4.2, "seed": 1}
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join([*(verdict.line for verdict in verdicts), json.dumps(found)]) + "\n")
    return file


def test_the_page_says_what_was_found(lines: Path, tmp_path: Path) -> None:
    main([lines], tmp_path / "page.md", tmp_path / "robustness", note="a busy machine")
    page = (tmp_path / "page.md").read_text()
    assert "**3 histories with 3,500 calls: 1 anomaly. 13 acknowledged events were lost" in page
    assert "| stores | single | memory | kill | 2 | 3,000 | 2,000 | 0 | 13 |" in page
    assert "| memory | single | 2 | 13 | 4 | 0 |" in page
    assert "| stores | single | memory | kill | 3 | 0.200 | 0.298 | 0.300 |" in page
    assert "| `records-overwritten` | lua | 4 s |" in page
    assert "- Not made: single, fsync, partition, since only root can make a network namespace." in page
    assert "--seed 8`: an event is lost" in page
    assert "- note: a busy machine" in page
    figures = json.loads((tmp_path / "robustness" / "figures.json").read_text())
    assert [row["seeds"] for row in figures["histories"]] == [[8], [7, 7]]
    assert (tmp_path / "robustness" / "recovery.svg").read_text().startswith("<?xml")


def test_a_history_that_is_not_sound_is_kept(lines: Path) -> None:
    [broken] = read([lines]).broken
    assert broken.anomalies == ["an event\nis lost"]


def test_a_plan_has_every_nemesis_that_this_machine_allows() -> None:
    planned = plan()
    expected = {name for name, one in NEMESES.items() if not one.missing()}
    assert {setting.nemesis for setting in planned} == expected
    assert {setting.topology for setting in planned if setting.durability != "memory"} == set(SAFE)
