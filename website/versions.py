"""The versions that stand beside each other on the published site: `1.2.0/`, `1.1.0/`, `latest/`, and versions.json.

The page of a version offers the others by what versions.json says, so that an old one need not be built anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from packaging.version import InvalidVersion, Version

LATEST = "latest"
"""A copy of the newest release, for addresses that stay; of the newest version where none is a release."""

_REDIRECT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={0}/index.html">
<link rel="canonical" href="{0}/index.html">
<link rel="icon" href="{0}/_static/favicon.svg">
<title>redis_mob</title>
<p><a href="{0}/index.html">The documentation of redis_mob</a></p>
</html>
"""


def versions_of(site: Path) -> list[str]:
    """The versions that have a folder, the newest first."""
    found = [version for folder in site.iterdir() if folder.is_dir() and (version := _version(folder.name))]
    return [str(version) for version in sorted(found, reverse=True)]


def newest(versions: list[str]) -> str:
    """The newest release, or the newest of all if there is none."""
    return next((version for version in versions if not Version(version).is_prerelease), versions[0])


def publish(site: Path) -> None:
    """Write what the versions share: versions.json, `latest/`, a page that leads there, llms.txt of it."""
    versions = versions_of(site)
    latest = newest(versions)
    (site / "versions.json").write_text(json.dumps({"latest": latest, "versions": versions}) + "\n", encoding="utf-8")
    shutil.rmtree(site / LATEST, ignore_errors=True)
    shutil.copytree(site / latest, site / LATEST)
    (site / "index.html").write_text(_REDIRECT.format(LATEST), encoding="utf-8")
    (site / ".nojekyll").touch()  # else GitHub leaves out folders that begin with an underscore
    for name in ("llms.txt", "llms-full.txt"):
        shutil.copy(site / latest / name, site / name)


def _version(name: str) -> Version | None:
    try:
        return Version(name)
    except InvalidVersion:
        return None
