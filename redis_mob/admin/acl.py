"""The rights that one namespace needs on a server, in the words of its access control lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import library
from redis_mob.connection.servers.address import (
    Address,
    ClusterAddress,
    EmbeddedAddress,
    MemoryAddress,
    SentinelAddress,
    TcpAddress,
    UnixAddress,
)
from redis_mob.errors import ValidationError

DEFAULT_USER = "redis_mob"

PASSWORD_PLACE = "#SHA256-OF-THE-PASSWORD"  # noqa: S105
"""Stands where the password belongs. No server takes it, so that it cannot become the password by mistake."""

_SENT = (
    "evalsha",
    "evalsha_ro",
    "info",
    "ping",
    "script|load",
    "ssubscribe",
    "sunsubscribe",
)
"""What a connection sends outside of scripts, whatever it is connected to. Logging in needs no right."""

_SENT_TO_CLUSTERS = frozenset({"asking", "cluster|slots"})
_SENT_BEHIND_SENTINELS = frozenset({"role"})

_ON_CHANNELS = frozenset({"spublish", "ssubscribe", "sunsubscribe"})
_ON_NOTHING = frozenset(
    {"asking", "cluster|slots", "info", "ping", "role", "script|load", "select", "time", "wait", "waitaof"}
)

_SCRIPT_WORD = re.compile(r"'([A-Z]+)'")
_NO_COMMANDS = frozenset({"BYSCORE", "COUNT", "LIMIT", "MAXLEN", "OK", "RECEIPT", "WITHSCORES"})
"""Words in capitals in the scripts that are no commands. One that is missing here is seen at once: no server takes a
rule that names an unknown command. A list of the commands might lack one that is seldom run."""

_USER = re.compile(r"[A-Za-z0-9._@:/+-]+")


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do: run `commands`, on keys and channels that match the patterns."""

    keys: str
    channels: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        """The rule: all rights that the user had are gone, then it gets these."""
        granted = " ".join(f"+{command}" for command in self.commands)
        return f"resetkeys resetchannels clearselectors -@all ~{self.keys} &{self.channels} {granted}"

    def set_user(self, user: str) -> str:
        """The command that gives these rights, and a password that is still to be put in, to a user.

        Raises ValidationError for a name that would have to be quoted.
        """
        if _USER.fullmatch(user) is None:
            raise ValidationError(f"{user!r} is no name for a user: use characters of A-Z a-z 0-9 . _ @ : / + -")
        return f"ACL SETUSER {user} on {PASSWORD_PLACE} {self}"


def rights_in(namespace: str, durability: Durability, *, database: int = 0) -> Rights:
    """The least rights with which everything of this library works in one namespace, on any topology.

    Raises ValidationError for a bad name.
    """
    sent = {*_SENT, *_SENT_TO_CLUSTERS, *_SENT_BEHIND_SENTINELS}
    if database:
        sent.add("select")
    if durability.fsync:
        sent.add("waitaof")
    if durability.replicas:
        sent.add("wait")
    everything = Keys(namespace).pattern
    return Rights(everything, everything, tuple(sorted(sent | _called_by_scripts())))


def needless_at(address: Address) -> frozenset[str]:
    """The commands of the rights that a storage at this address can do without."""
    match address:
        case ClusterAddress():
            return _SENT_BEHIND_SENTINELS
        case SentinelAddress():
            return _SENT_TO_CLUSTERS
        case _:
            return _SENT_TO_CLUSTERS | _SENT_BEHIND_SENTINELS


def user_in(address: Address) -> str | None:
    """The user that an address names."""
    return None if isinstance(address, MemoryAddress | EmbeddedAddress) else address.credentials.user


def database_of(address: Address) -> int:
    """The number of the database that a storage at this address is in."""
    return address.db if isinstance(address, TcpAddress | UnixAddress | SentinelAddress) else 0


def examples(rights: Rights, namespace: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each command of the rights, and its words with the key or channel of the namespace that it takes, if any."""
    keys = Keys(namespace)
    for command in rights.commands:
        words = command.upper().split("|")
        if command.startswith("evalsha"):
            words += ["sha", "1", keys.meta]
        elif command not in _ON_NOTHING:
            words.append(keys.wake_events if command in _ON_CHANNELS else keys.meta)
        yield command, tuple(words)


@cache
def _called_by_scripts() -> frozenset[str]:
    scripts = [library().script(name) for name in (*library().names(), "lib/session")]
    words = {word for script in scripts for word in _SCRIPT_WORD.findall(script.text)}
    return frozenset(word.lower() for word in words - _NO_COMMANDS)
