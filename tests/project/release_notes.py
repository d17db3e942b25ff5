"""Prints what CHANGELOG.md says of a release: `python -m tests.project.release_notes v0.1.0`.

Ends with an error if the tag is not that of the version in redis_mob/version.py, or the changelog has no entry for it.
"""

from __future__ import annotations

import re
import sys

from redis_mob.version import __version__
from tests.project.checkout import text_of


def release_notes(tag: str, version: str, changelog: str) -> str:
    """The entry of a version, without its heading.

    Raises ValueError if the tag is another version's, or there is no entry, or nothing in it.
    """
    if tag != f"v{version}":
        raise ValueError(f"the tag {tag} is not that of redis_mob/version.py, which says {version}")
    entry = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |^\[|\Z)", changelog, re.DOTALL | re.MULTILINE)
    if entry is None or not (notes := entry[1].strip()):
        raise ValueError(f"CHANGELOG.md has no entry for {version}: move what is under [Unreleased] below a heading")
    return notes


if __name__ == "__main__":
    try:
        print(release_notes(sys.argv[1], __version__, text_of("CHANGELOG.md")))
    except ValueError as error:
        sys.exit(str(error))
