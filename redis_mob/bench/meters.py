"""What operations cost apart from time: CPU time of this process, and what the server counts."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from redis_mob.connection.calls.client import Client
from redis_mob.connection.failures import TransportError
from redis_mob.connection.servers.server_info import fields_of

_QUESTION = (b"INFO", b"stats", b"cpu", b"commandstats")
_QUESTION_BYTES = len(b"*%d\r\n" % len(_QUESTION)) + sum(len(b"$%d\r\n%b\r\n" % (len(p), p)) for p in _QUESTION)


def cpu_seconds() -> float:
    """The CPU time that this process has used, all its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True)
class Counted:
    """What a server has counted: CPU seconds, bytes received and sent, and commands, those within scripts included.

    It counts for all its clients: on a server that others use meanwhile, it is more than what was measured.
    """

    cpu: float
    received: int
    sent: int
    commands: int


class ServerMeter:
    """Reads the counters of a server. What the reading itself costs is not counted, but for its CPU time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = 0
        """Bytes of the questions whose receipt the server has counted."""
        self._told = 0
        """Bytes of the answers that it has counted as sent, which each one does not contain itself."""

    async def read(self) -> Counted | None:
        """The counters now; None if the server does not let this user ask."""
        try:
            answer: bytes = await self._client.router.request(*_QUESTION)
        except TransportError:
            return None
        self._asked += _QUESTION_BYTES
        fields = fields_of(answer)
        counted = Counted(
            _cpu_of(fields),
            int(fields.get("total_net_input_bytes", 0)) - self._asked,
            int(fields.get("total_net_output_bytes", 0)) - self._told,
            sum(calls for name, calls in _calls(fields).items() if name != "info"),
        )
        self._told += len(b"$%d\r\n" % len(answer)) + len(answer) + 2
        return counted

    async def calls(self) -> dict[str, int]:
        """How often each command was called so far, by clients and within scripts."""
        return _calls(fields_of(await self._client.router.request(b"INFO", b"commandstats")))


def _cpu_of(fields: dict[str, str]) -> float:
    # the main thread runs all commands; what threads for the network or a background save use is not part of them
    for suffix in ("_main_thread", ""):
        if f"used_cpu_user{suffix}" in fields:
            return float(fields[f"used_cpu_user{suffix}"]) + float(fields[f"used_cpu_sys{suffix}"])
    return 0.0


def _calls(fields: dict[str, str]) -> dict[str, int]:
    return {
        name.removeprefix("cmdstat_"): int(told.partition("calls=")[2].partition(",")[0])
        for name, told in fields.items()
        if name.startswith("cmdstat_")
    }
