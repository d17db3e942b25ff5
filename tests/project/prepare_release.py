"""Makes the changes of a release, for a commit of their own: `python -m tests.project.prepare_release 1.0.0`.

The version is set, what is under [Unreleased] in the changelog moves below a heading with the version and the date of
today, and the classifier of pyproject.toml says whether it is stable. Nothing is committed or tagged.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime

from packaging.version import InvalidVersion, Version

from redis_mob.version import __version__
from tests.project.checkout import ROOT, text_of

BETA, STABLE = "Development Status :: 4 - Beta", "Development Status :: 5 - Production/Stable"

VERSION_FILE, CHANGELOG, PROJECT = "redis_mob/version.py", "CHANGELOG.md", "pyproject.toml"


def main(version: str) -> None:
    files = {name: text_of(name) for name in (VERSION_FILE, CHANGELOG, PROJECT)}
    try:
        changed = prepared(files, __version__, version, datetime.now(UTC).date())
    except ValueError as error:
        sys.exit(str(error))
    for name, text in changed.items():
        (ROOT / name).write_text(text, encoding="utf-8")
    print(f"look at `git diff`, commit, let the tests of that commit pass, then push a tag v{version}")


def prepared(files: dict[str, str], before: str, version: str, today: date) -> dict[str, str]:
    """The files as the release has them.

    Raises ValueError if the version is not newer or none of semantic versioning, or if no change is told of.
    """
    try:
        is_newer = Version(version) > Version(before)
    except InvalidVersion:
        is_newer = False
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version) or not is_newer:
        raise ValueError(f"{version} is no version after {before}; it is three numbers, as in 1.0.0")
    told = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", files[CHANGELOG], re.DOTALL | re.MULTILINE)
    if told is None or not told[1].strip():
        raise ValueError("CHANGELOG.md has nothing under [Unreleased], so that there is nothing to release")
    heading = f"## [Unreleased]\n\n## [{version}] - {today.isoformat()}\n"
    return {
        VERSION_FILE: files[VERSION_FILE].replace(f'__version__ = "{before}"', f'__version__ = "{version}"'),
        CHANGELOG: files[CHANGELOG].replace("## [Unreleased]\n", heading, 1),
        PROJECT: re.sub(f"{BETA}|{STABLE}", development_status(version), files[PROJECT]),
    }


def development_status(version: str) -> str:
    """The classifier of a version: from 1.0 on, interfaces change as docs/versions.md says."""
    return STABLE if Version(version).major >= 1 else BETA


if __name__ == "__main__":
    main(sys.argv[1])
