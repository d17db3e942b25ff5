"""A release is three changes, which one program makes; and the parts of the project say the same version."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest

from redis_mob.version import __version__
from tests.project.checkout import text_of
from tests.project.prepare_release import CHANGELOG, PROJECT, VERSION_FILE, development_status, prepared
from tests.project.release_notes import release_notes

FILES = {name: text_of(name) for name in (VERSION_FILE, CHANGELOG, PROJECT)}
FILES[CHANGELOG] = FILES[CHANGELOG].replace("## [Unreleased]\n", "## [Unreleased]\n\n- Something new.\n", 1)
"""As they are, with something to tell, which the commit of a release does not have."""

TODAY = date(2027, 1, 31)
MAJOR, MINOR = (int(number) for number in __version__.split(".")[:2])
NEXT_MAJOR, NEXT_MINOR = f"{MAJOR + 1}.0.0", f"{MAJOR}.{MINOR + 1}.0"


def test_the_release_that_is_prepared_has_notes_and_the_same_version_everywhere() -> None:
    files = prepared(FILES, __version__, NEXT_MAJOR, TODAY)
    assert f'\n__version__ = "{NEXT_MAJOR}"\n' in files[VERSION_FILE]
    assert release_notes(f"v{NEXT_MAJOR}", NEXT_MAJOR, files[CHANGELOG]).startswith("- Something new.")
    assert f"## [Unreleased]\n\n## [{NEXT_MAJOR}] - 2027-01-31\n" in files[CHANGELOG]
    assert "Development Status :: 5 - Production/Stable" in tomllib.loads(files[PROJECT])["project"]["classifiers"]


def test_nothing_else_is_changed() -> None:
    files = prepared(FILES, __version__, NEXT_MINOR, TODAY)
    assert files[PROJECT] == FILES[PROJECT]
    assert files[VERSION_FILE].replace(NEXT_MINOR, __version__) == FILES[VERSION_FILE]
    assert files[CHANGELOG].replace(f"\n## [{NEXT_MINOR}] - 2027-01-31\n", "", 1) == FILES[CHANGELOG]


@pytest.mark.parametrize("version", ["0.0.9", __version__, "99.0", "99.0.0rc1", "v99.0.0", "99.00.0", "next"])
def test_another_version_than_a_newer_one_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=f"{version} is no version after {re.escape(__version__)}"):
        prepared(FILES, __version__, version, TODAY)


def test_a_release_without_changes_is_refused() -> None:
    changelog = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0]\n- a\n"
    with pytest.raises(ValueError, match="nothing under"):
        prepared(FILES | {CHANGELOG: changelog}, __version__, "1.0.0", TODAY)


def test_the_classifier_is_that_of_the_version() -> None:
    status = [one for one in tomllib.loads(FILES[PROJECT])["project"]["classifiers"] if one.startswith("Development")]
    assert status == [development_status(__version__)]


def test_the_security_policy_names_no_version_that_a_release_would_have_to_change() -> None:
    assert not re.search(r"\b\d+\.\d+\.\d+\b", text_of("SECURITY.md"))
