"""How a worker process shows that it is well: a file that it touches, and a port that answers.

It is well while the storage says that it holds its lease, and its event loop turns. A loop that stands still touches no
file and answers no request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from redis_mob.cli.http_port import Answer, Request
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import MobStoreError, ValidationError
from redis_mob.fleet.worker import Worker
from redis_mob.models.base import json_text

LONGEST_PAUSE = 5.0
"""Seconds between two looks at the lease, at most: a third of the lease if that is less."""

FIRST_PAUSE = 0.1
"""The same until the worker has its lease."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Health:
    """What is known of the worker. `lease` is in seconds, times are those of the event loop."""

    name: str
    namespace: str
    lease: float
    confirmed_at: float | None = None
    is_draining: bool = False

    @property
    def status(self) -> str:
        """`ok`, or why it is not."""
        if self.is_draining:
            return "draining"
        if self.confirmed_at is None:
            return "starting"
        return "ok" if self.holds_lease else "its lease is not confirmed"

    @property
    def holds_lease(self) -> bool:
        """Whether the storage has said so within the time of a lease."""
        now = asyncio.get_running_loop().time()
        return self.confirmed_at is not None and now - self.confirmed_at < self.lease

    async def answer(self, _request: Request) -> Answer:
        """What a port answers: 200 if the worker is well, else 503, and one JSON object on one line."""
        said = json_text({"status": self.status, "worker": self.name, "namespace": self.namespace})
        status = HTTPStatus.OK if self.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(f"{said}\n".encode(), status)


async def keep_looking(
    health: Health, store: ExecutionStore, worker: Worker, file: Path | None, begun: Callable[[], None]
) -> None:
    """Ask the storage for the lease of the worker, again and again, and touch the file when it has it.

    `begun` is called when it has it for the first time. A draining worker still holds its lease, and is no dead one.
    """
    while True:
        with contextlib.suppress(MobStoreError):  # the worker itself says so, and how long it bears that
            if any(one.record.id == worker.id for one in await store.workers()):
                if health.confirmed_at is None:
                    begun()
                health.confirmed_at = asyncio.get_running_loop().time()
        if file is not None and health.holds_lease:
            _touch(file, health)
        await asyncio.sleep(FIRST_PAUSE if health.confirmed_at is None else min(health.lease / 3, LONGEST_PAUSE))


def _touch(file: Path, health: Health) -> None:
    try:
        file.touch()
    except OSError as error:  # its age tells the rest
        _log.warning("worker %s: --health-file %s: %s", health.name, file, error.strerror)


@contextlib.contextmanager
def health_file(file: Path | None) -> Generator[None]:
    """Nothing of an earlier process is left there, and nothing of this one. Raises ValidationError if it cannot be."""
    if file is None:
        yield
        return
    try:
        file.touch()
        file.unlink()
    except OSError as error:
        raise ValidationError(f"--health-file {file}: {error.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()
