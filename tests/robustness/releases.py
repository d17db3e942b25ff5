"""Earlier releases of this library, built from the history of the repository, each in a directory of its own."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.project.checkout import ROOT

RECORDED = Path(__file__).with_name("previous_release.txt")
"""The revision that counts as the previous release for as long as there is no tag of one."""

MEMBER = Path(__file__).with_name("upgrade_member.py")


def previous_revision() -> str | None:
    """The newest tag `v*` that this revision comes after, else the recorded one; None if it is not in this clone."""
    tags = _git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname") or ""
    head = _git("rev-parse", "HEAD")
    for tag in tags.split():
        if _git("rev-parse", f"{tag}^{{commit}}") != head:  # it may be the release that is just being made
            return tag
    recorded = RECORDED.read_text(encoding="utf-8").strip()
    return recorded if _git("cat-file", "-e", f"{recorded}^{{commit}}") is not None else None


def _git(*words: str) -> str | None:
    """What git answers, None if it fails, or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout.strip()


async def installed(revision: str, directory: Path) -> Path:
    """Build the wheel of a revision and install it, without what it depends on; returns where its package is."""
    source, target = directory / "source", directory / "installed"
    await asyncio.to_thread(source.mkdir, parents=True)
    packed = await _output("git", "-C", str(ROOT), "archive", revision)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(source, filter="data")
    await _output(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory), where=source)
    wheels = await asyncio.to_thread(lambda: [str(wheel) for wheel in directory.glob("*.whl")])
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target))
    await _output(*pip, *wheels)
    return target


async def _output(*command: str, where: Path | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=where, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {errors.decode(errors='replace')}")
    return output


def environment_of(package: Path) -> dict[str, str]:
    """The environment of a process that imports the library from there, and all else from where this process does."""
    return {**os.environ, "PYTHONPATH": str(package)}
