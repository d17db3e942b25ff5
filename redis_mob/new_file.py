"""How a file that was written beside its place takes that place: complete, once, and safe from a crash."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from redis_mob.errors import CasConflictError, shortened


def require_new(path: Path) -> None:
    """Raises CasConflictError if there is a file at this path, or a symbolic link, also one that leads to none."""
    if path.is_symlink() and not path.exists():
        raise CasConflictError(
            f"{shortened(path)} is a symbolic link, and what it leads to is not there: remove it, or name a new file"
        )
    if path.exists():
        raise CasConflictError(f"{shortened(path)} is there already: name a new file")


def publish(partial: Path, path: Path) -> None:
    """Give a complete file of the same directory the name `path`; its name so far may remain.

    The file is on the disk before, and its new name after. Raises CasConflictError for a file that has come to be there
    meanwhile, OSError if the file system refuses.
    """
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    try:
        path.hardlink_to(partial)  # unlike a rename it replaces no file
    except FileExistsError:
        require_new(path)
        raise
    except OSError:  # a file system without hard links
        require_new(path)
        partial.rename(path)
    with contextlib.suppress(OSError):  # not every file system can do that to a directory
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
