"""Which process holds the data directory of an embedded server: a lock for the fact, a small file for the details."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from redis_mob.errors import StorageUnavailableError, shortened

_LOCK = "redis-mob.lock"
_HOLDER = "redis-mob.json"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that owns the server of a data directory, and that server."""

    socket: str
    server: int
    owner: int
    host: str

    def __str__(self) -> str:
        return f"process {self.owner} on host {self.host} (server process {self.server})"

    @classmethod
    def of_this_process(cls, socket_path: str, server: int) -> Holder:
        return cls(socket_path, server, os.getpid(), socket.gethostname())


class DataDirectory:
    """A directory in which at most one server keeps its data at a time.

    The lock belongs to the server: it is free only when no server can write there any more, also after a SIGKILL of
    owner, reaper and server. Methods raise StorageUnavailableError when the directory cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the directory, readable by its owner alone, unless it exists."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StorageUnavailableError(
                f"data directory {shortened(self.path)} is a file: name a directory"
            ) from error
        except OSError as error:
            raise self._unusable(error) from error

    def lock(self) -> int | None:
        """An open file that holds the lock, to be closed by the caller, or None while another process has it."""
        try:
            file = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            # flock, because the server inherits it with the open file, and it ends with the last copy of that file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if isinstance(error, BlockingIOError):
                return None
            raise self._unusable(error) from error
        return file

    def register(self, holder: Holder) -> None:
        """Tell other processes which one holds the directory; only the holder of the lock may call this."""
        # renamed when it is complete, so that a reader never sees half of it
        draft = self.path / f"{_HOLDER}.new"
        try:
            draft.write_text(json.dumps(asdict(holder)), encoding="utf-8")
            draft.replace(self.path / _HOLDER)
        except OSError as error:
            raise self._unusable(error) from error

    def holder(self) -> Holder | None:
        """The holder that registered last: the present one if the lock has been taken for a moment."""
        try:
            return Holder(**cast("dict[str, Any]", json.loads((self.path / _HOLDER).read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            return None  # not written yet, or by another release: no error, since the lock alone decides

    def _unusable(self, error: OSError) -> StorageUnavailableError:
        return StorageUnavailableError(
            f"cannot keep data in {shortened(self.path)}: {error.strerror}; embedded: needs a "
            "directory that this user may write "
            "to, with space left"
        )
