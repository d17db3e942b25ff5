"""A server that can be brought into each state in which servers refuse writes, and back."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from redis_mob.testing.servers.raw_client import RawClient, client_of
from redis_mob.testing.waiting import LONG
from tests.support.servers import server

FULL, READ_ONLY, WITHOUT_REPLICAS, CANNOT_SAVE = "full", "read-only", "without replicas", "cannot save"
STATES = (FULL, READ_ONLY, WITHOUT_REPLICAS, CANNOT_SAVE)
"""The states in which a server answers and refuses writes: OOM, READONLY, NOREPLICAS and MISCONF."""


class RefusingServer:
    """A server of its own; `refusing` brings it into a state for the length of a block."""

    def __init__(self, url: str, admin: RawClient) -> None:
        self.url = url
        self.admin = admin
        admin.config_set("stop-writes-on-bgsave-error", "no")
        self._fail_to_save()

    @contextmanager
    def refusing(self, state: str) -> Generator[None]:
        """Refuse writes as a server does in this state."""
        self.refuse(state)
        try:
            yield
        finally:
            self.serve()

    def refuse(self, state: str) -> None:
        """Refuse writes from now on."""
        match state:
            case "full":
                self.admin.config_set("maxmemory", "1")
            case "read-only":
                self.admin.execute_command("REPLICAOF", "127.0.0.1", "1")
            case "without replicas":
                self.admin.config_set("min-replicas-to-write", 1)
            case "cannot save":
                self.admin.config_set("stop-writes-on-bgsave-error", "yes")
            case _:
                raise AssertionError(f"there is no state {state!r}")

    def serve(self) -> None:
        """Take writes again."""
        self.admin.execute_command("REPLICAOF", "NO", "ONE")
        self.admin.config_set("maxmemory", "0")
        self.admin.config_set("min-replicas-to-write", 0)
        self.admin.config_set("stop-writes-on-bgsave-error", "no")

    def _fail_to_save(self) -> None:
        """Let one snapshot fail, so that the server knows that it cannot save."""
        directory = self.admin.config_get("dir")["dir"]
        (Path(directory) / "dump.rdb").mkdir()
        self.admin.config_set("save", "3600 1000000")
        self.admin.execute_command("BGSAVE")
        ends = time.monotonic() + LONG
        while self.admin.info("persistence")["rdb_last_bgsave_status"] != "err":
            assert time.monotonic() < ends, "the server could save"
            time.sleep(0.01)


@contextmanager
def refusing_server(program: Path | None = None, settings: Sequence[str] = ()) -> Generator[RefusingServer]:
    """A server that takes writes at first."""
    with server(*settings, program=program) as url, client_of(url) as admin:
        yield RefusingServer(url, admin)
