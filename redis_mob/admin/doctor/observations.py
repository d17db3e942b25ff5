"""What a server and a namespace say of themselves, as far as they are permitted to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis_mob.admin.doctor.finding import NotAnsweredError, answered
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.namespace_state import UNTOUCHED, NamespaceState
from redis_mob.connection.servers.server_info import ServerInfo
from redis_mob.models.retention import RetentionPolicies

SETTINGS = (
    "appendfsync",
    "busy-reply-threshold",
    "client-output-buffer-limit",
    "cluster-require-full-coverage",
    "maxmemory-clients",
    "min-replicas-to-write",
    "no-appendfsync-on-rewrite",
    "replica-serve-stale-data",
    "save",
    "tcp-keepalive",
    "timeout",
)
"""What is asked for with CONFIG GET; INFO tells the rest."""


@dataclass(frozen=True, slots=True)
class Slow:
    """A script of this library in the server's slow log: how often, and its longest time in seconds."""

    script: str
    times: int
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """The answers of one server; NotAnsweredError in the place of those that it did not give.

    `ahead` says by how many seconds its clock is ahead of ours, `pings` how many each of some pings took, `refused`
    what the user needs and may not run, `cluster` what CLUSTER INFO says, nothing outside of a Cluster. `durability` is
    what is asked of it; `throwaway` is an embedded server that keeps nothing on purpose.
    """

    server: ServerInfo | NotAnsweredError
    info: Mapping[str, str] | NotAnsweredError
    settings: Mapping[str, str] | NotAnsweredError
    cluster: Mapping[str, str] | NotAnsweredError
    refused: Sequence[str] | NotAnsweredError
    slow: Sequence[Slow] | NotAnsweredError
    pings: Sequence[float] | NotAnsweredError
    ahead: float | NotAnsweredError
    durability: Durability
    throwaway: bool = False

    def field(self, name: str) -> str:
        """A field of INFO."""
        return _named(answered(self.info), name, "INFO")

    def number(self, name: str) -> int:
        """A field of INFO that is a whole number."""
        return int(self.field(name))

    def setting(self, name: str) -> str:
        """A setting that CONFIG GET gives."""
        return _named(answered(self.settings), name, "CONFIG GET")

    def replicas(self) -> list[Mapping[str, str]]:
        """What the server knows of each of its replicas: ip, port, state, offset, lag."""
        lines = [self.field(f"slave{number}") for number in range(self.number("connected_slaves"))]
        return [dict(part.split("=", 1) for part in line.split(",")) for line in lines]


class WebhookSeen(NamedTuple):
    """A webhook: why it is paused if it is, how many events it has not come to, and how many of its runs are held up;
    whether a worker has the turn at it."""

    name: str
    paused: str | None
    behind: int
    held: int
    has_worker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceObservations:
    """How much there is in a namespace: entries of its log and its feed, runs, what is scheduled; bytes of the log.

    `state` says what a backup, a restore or a move has done to it.
    `policies` are the retention policies that bound runs and events; `letters` are the dead letters of its webhooks.
    """

    namespace: str
    schema: str | NotAnsweredError | None
    state: NamespaceState | NotAnsweredError = UNTOUCHED
    events: int | NotAnsweredError
    log_bytes: int | NotAnsweredError | None
    runs: int | NotAnsweredError
    scheduled: int | NotAnsweredError
    policies: RetentionPolicies | NotAnsweredError
    changes: int | NotAnsweredError
    webhooks: Sequence[WebhookSeen] | NotAnsweredError = ()
    letters: int | NotAnsweredError = 0


def _named(answers: Mapping[str, str], name: str, question: str) -> str:
    if name not in answers:
        raise NotAnsweredError(f"{question} {name}", "the server does not say")
    return answers[name]
