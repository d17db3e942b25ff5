"""What a user of the server must be allowed to do so that everything works in a namespace, and how to ask for it.

A script that meets a missing right in its middle has done a part of its work (decision 0018), so that a storage asks
for all of them when it is opened.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.evalsha import Arguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import Script, script
from redis_mob.connection.failures import ServerRefusalError
from redis_mob.connection.servers.address import (
    Address,
    ClusterAddress,
    SentinelAddress,
    TcpAddress,
    UnixAddress,
)

_SENT = (
    "evalsha",
    "evalsha_ro",
    "info",
    "ping",
    "script|load",
    "ssubscribe",
    "sunsubscribe",
)
"""What a connection sends outside of scripts, on every topology. Logging in needs no right."""

_SENT_TO_CLUSTERS = frozenset({"asking", "cluster|slots"})
_SENT_BEHIND_SENTINELS = frozenset({"role"})

_ON_CHANNELS = frozenset({"spublish", "ssubscribe", "sunsubscribe"})
_ON_NOTHING = frozenset(
    {"asking", "cluster|slots", "info", "ping", "role", "script|load", "select", "time", "wait", "waitaof"}
)

_CALLED_BY_SCRIPTS = (
    "copy del exists hdel hexists hget hgetall hincrby hkeys hlen hmget hscan hset hsetnx lindex llen lpush lrange "
    "ltrim persist pexpire pttl rename rpush sadd scard smembers spublish srem time unlink xadd xdel xlen xrange "
    "xrevrange zadd zcard zlexcount zmscore zrange zrangebylex zrem zscore"
)
"""What the scripts call, as a test finds it in them: to read them all would take each storage too long as it opens."""

_REFUSED_COMMAND = re.compile(r"'([a-z_|]+)' command")
_ANY_ID = "00000000-0000-4000-8000-000000000000"

_FOR_BACKUPS = "cluster|nodes object|encoding pexpireat scan type xtrim zscan"
"""What backups, restores and moves call beside that: those who only work in a namespace need none of it."""

Ask = Callable[[Script, Sequence[str | bytes], Arguments], Awaitable[Any]]
"""Runs a script that only reads."""


def commands_needed(durability: Durability, *, database: int = 0, backups: bool = False) -> tuple[str, ...]:
    """The commands that the library runs on any topology, as access control lists spell them."""
    sent = {*_SENT, *_SENT_TO_CLUSTERS, *_SENT_BEHIND_SENTINELS}
    if database:
        sent.add("select")
    if durability.fsync:
        sent.add("waitaof")
    if durability.replicas:
        sent.add("wait")
    if backups:
        sent.update(_FOR_BACKUPS.split())
    return tuple(sorted(sent.union(_CALLED_BY_SCRIPTS.split())))


def needless_at(address: Address) -> frozenset[str]:
    """Those of the commands that a storage at this address can do without."""
    match address:
        case ClusterAddress():
            return _SENT_BEHIND_SENTINELS
        case SentinelAddress():
            return _SENT_TO_CLUSTERS
        case _:
            return _SENT_TO_CLUSTERS | _SENT_BEHIND_SENTINELS


def database_of(address: Address) -> int:
    """The number of the database that a storage at this address is in."""
    return address.db if isinstance(address, TcpAddress | UnixAddress | SentinelAddress) else 0


def examples(commands: Sequence[str], namespace: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each of these commands, and its words with the key or channel of the namespace that it takes, if any."""
    keys = Keys(namespace)
    for command in commands:
        words = command.upper().split("|")
        if command.startswith("evalsha"):
            words += ["sha", "1", keys.meta]
        elif command in ("copy", "rename"):
            words += [keys.meta, keys.meta]
        elif command not in _ON_NOTHING:
            words.append(keys.wake_events if command in _ON_CHANNELS else keys.meta)
        yield command, tuple(words)


async def missing_rights(ask: Ask, address: Address, namespace: str, durability: Durability) -> list[str]:
    """What the user may not do, of all that is needed at this address, in the words of access control lists.

    It takes one request. Raises what `ask` raises, unless that says which right is missing.
    """
    needless = needless_at(address)
    needed = [name for name in commands_needed(durability, database=database_of(address)) if name not in needless]
    questions = [*examples(needed, namespace), *_reach(namespace)]
    arguments = [len(questions), *(part for _, words in questions for part in (len(words), *words))]
    try:
        refused: list[int] = await ask(script("calls/missing_rights"), [], arguments)
    except ServerRefusalError as refusal:
        named = _REFUSED_COMMAND.search(refusal.text)
        if refusal.code == "NOPERM" and named is not None:
            return [named[1]]  # since asking takes rights too, the refusal of the question is an answer
        raise
    answers = [questions[position - 1] for position in refused]
    commands = {name for name, _ in answers if name in needed}
    # keys and channels are asked for with a command, so that nothing is known of them if the command is missing
    return [name for name, words in answers if name in commands or words[0].lower() not in commands]


def _reach(namespace: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each key and channel of a namespace, and a command that reads, writes or hears it."""
    keys = Keys(namespace)
    for key in (*keys.fixed, keys.run(_ANY_ID).run, keys.session(_ANY_ID)):
        yield f"~{key}", ("HGET", key, "field")
        yield f"~{key}", ("HSET", key, "field", "value")
    for channel in keys.channels:
        yield f"&{channel}", ("SPUBLISH", channel, "")
        yield f"&{channel}", ("SSUBSCRIBE", channel)
