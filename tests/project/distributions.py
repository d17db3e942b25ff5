"""Builds the wheel and the source archive of the commit that is checked out: `make dist`.

    python -m tests.project.distributions dist

The bytes depend on the commit and the build tools alone, so that another machine can make the same files. What is no
part of the commit would get into the source archive: a tree with changes, or with files that git neither has nor
ignores, is refused.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project.checkout import ROOT


def main(tree: Path, target: Path) -> None:
    if (tree / ".git").exists() and (changes := _git(tree, "status", "--porcelain")):
        sys.exit(f"a release is built of what is committed; commit, remove or ignore first:\n{changes}")
    shutil.rmtree(target, ignore_errors=True)
    for built in build(tree, target):
        print(built)


def build(tree: Path, target: Path, *, only: str = "") -> list[Path]:
    """The wheel and the source archive of a tree, or one of them (`only` is "wheel" or "sdist").

    Raises CalledProcessError if the build fails.
    """
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(date_of(tree))}
    build_one = ("-t", only) if only else ()
    command = [sys.executable, "-m", "hatchling", "build", *build_one, "-d", target.resolve()]
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)
    return sorted(target.iterdir())


def date_of(tree: Path) -> int:
    """The date that all files of a release have, in seconds of Unix: that of its commit.

    An unpacked source archive has no commit; its files have that date themselves.
    """
    if (tree / "PKG-INFO").exists():
        return int((tree / "PKG-INFO").stat().st_mtime)
    return int(_git(tree, "log", "-1", "--format=%ct"))


def _git(tree: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=tree, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(ROOT, Path(sys.argv[1]))
