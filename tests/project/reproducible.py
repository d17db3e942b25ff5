"""Builds the release of this commit twice, as two machines would, and compares the bytes: `make reproducible`.

The two clones have other paths, umasks, time zones, locales and hash seeds, and files of other ages. A wheel that is
built of the source archive has to be the same, too. With files as arguments (`dist/*`), these are compared as well.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.project.checkout import ROOT
from tests.project.distributions import build

ON_ONE_MACHINE = {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"}
ON_ANOTHER = {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"}


def main(published: list[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="redis-mob-reproducible-") as directory:
        here, there = Path(directory) / "here", Path(directory) / "another" / "folder"
        builds = [
            digests(_built_in_clone(here, ON_ONE_MACHINE, 0o022)),
            digests(_built_in_clone(there, ON_ANOTHER, 0o077)),
        ]
        [archive] = (here / "dist").glob("*.tar.gz")
        [wheel] = wheel_of_archive(archive, Path(directory) / "unpacked")
        builds.append(builds[0] | digests([wheel]))
    if published:
        builds.append(digests(published))
    for name, digest in sorted(builds[0].items()):
        print(f"{digest}  {name}")
    if problem := difference(builds):
        sys.exit(problem)
    print(f"the same in {len(builds)} builds")


def digests(files: list[Path]) -> dict[str, str]:
    """SHA-256 of files by their names."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def difference(builds: list[dict[str, str]]) -> str | None:
    """In which files the builds differ, or None if they have the same ones with the same digests."""
    names = {name for build in builds for name in build}
    different = [name for name in sorted(names) if len({build.get(name) for build in builds}) > 1]
    return f"not reproducible: {', '.join(different)} ({builds})" if different else None


def wheel_of_archive(archive: Path, folder: Path) -> list[Path]:
    """The wheel that is built of a source archive, which is unpacked into a folder that is not there yet."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    [tree] = folder.iterdir()
    return build(tree, folder / "dist", only="wheel")


def _built_in_clone(clone: Path, environment: dict[str, str], umask: int) -> list[Path]:
    """What `make dist` leaves in a new clone of this commit, made with the build tools of this process."""
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, umask=umask)
    for file in clone.glob("*/*"):
        os.utime(file, (0, umask * 10_000_000))
    command = [sys.executable, "-m", "tests.project.distributions", "dist"]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=clone, env=inherited | environment, check=True, umask=umask, stdout=subprocess.DEVNULL)
    return sorted((clone / "dist").iterdir())


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
