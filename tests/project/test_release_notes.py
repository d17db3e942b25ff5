"""A release has the notes of its own version, or does not happen."""

from __future__ import annotations

import pytest

from tests.project.checkout import text_of
from tests.project.release_notes import release_notes

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2027-01-31

### Added

- Something.

## [0.1.0] - 2026-12-24

- The beginning.

## [0.0.1]

[0.1.0]: https://example.org/0.1.0
"""


def test_the_notes_of_a_release_are_its_entry() -> None:
    assert release_notes("v0.2.0", "0.2.0", CHANGELOG) == "### Added\n\n- Something."
    assert release_notes("v0.1.0", "0.1.0", CHANGELOG) == "- The beginning."


@pytest.mark.parametrize("version", ["0.3.0", "0.0.1", "0x2.0"])
def test_a_release_without_an_entry_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=f"no entry for {version}"):
        release_notes(f"v{version}", version, CHANGELOG)


@pytest.mark.parametrize("tag", ["0.2.0", "v0.2", "v0.2.0rc1"])
def test_a_tag_of_another_version_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match=f"{tag} is not that of"):
        release_notes(tag, "0.2.0", CHANGELOG)


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    headings = [line for line in text_of("CHANGELOG.md").splitlines() if line.startswith("## ")]
    assert headings[0] == "## [Unreleased]"
