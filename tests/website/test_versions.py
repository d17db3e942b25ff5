"""Versions stand beside each other on the published site, and `latest` is the newest release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from website.versions import newest, publish, versions_of


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with two releases, and what comes after them."""
    for version in ("1.9.0", "1.10.0", "2.0.0rc1", "_other"):
        (tmp_path / version).mkdir()
        for name in ("index.html", "llms.txt", "llms-full.txt"):
            (tmp_path / version / name).write_text(version)
    return tmp_path


def test_versions_are_in_the_order_of_versions_not_of_letters(site: Path) -> None:
    assert versions_of(site) == ["2.0.0rc1", "1.10.0", "1.9.0"]


def test_the_latest_is_the_newest_release_if_there_is_one() -> None:
    assert newest(["2.0.0rc1", "1.10.0"]) == "1.10.0"
    assert newest(["1.0.0rc2", "1.0.0rc1"]) == "1.0.0rc2"


def test_publishing_says_which_versions_there_are_and_leads_to_the_latest(site: Path) -> None:
    publish(site)
    assert json.loads((site / "versions.json").read_text()) == {
        "latest": "1.10.0",
        "versions": ["2.0.0rc1", "1.10.0", "1.9.0"],
    }
    assert (site / "latest" / "index.html").read_text() == "1.10.0"
    assert (site / "llms.txt").read_text() == "1.10.0"
    assert 'url=latest/index.html"' in (site / "index.html").read_text()


def test_publishing_again_replaces_the_latest(site: Path) -> None:
    publish(site)
    (site / "1.11.0").mkdir()
    for name in ("llms.txt", "llms-full.txt"):
        (site / "1.11.0" / name).write_text("1.11.0")
    publish(site)
    assert not (site / "latest" / "index.html").exists()
    assert (site / "latest" / "llms.txt").read_text() == "1.11.0"
