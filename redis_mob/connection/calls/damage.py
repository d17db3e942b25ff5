"""What a refusal says about damaged keys: records that are missing, or a key of another type."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from redis_mob.connection.calls.evalsha import KeyNames
from redis_mob.connection.calls.keys import type_of_key
from redis_mob.connection.failures import ServerRefusalError, TransportError
from redis_mob.errors import SerializationError

_DAMAGED = re.compile(r"DAMAGED (\S+) (.*?)(?: script: .*)?$", re.DOTALL)
"""How scripts tell damage: a key, and what is wrong with it. The server adds the name of the script."""


_TYPES = {"string", "list", "set", "zset", "hash", "stream"}


async def damage_in(
    error: TransportError, keys: KeyNames, ask: Callable[..., Awaitable[Any]]
) -> SerializationError | None:
    """The damage that made a server refuse a call with these keys; None if it refused for another reason.

    WRONGTYPE does not name its key, so the server is asked for the type of each, with `ask`. Raises a TransportError
    if it does not answer.
    """
    if not isinstance(error, ServerRefusalError):
        return None
    said = f"{error.code} {error.text}"
    if (damage := _DAMAGED.search(said)) is not None:
        return SerializationError(f"{damage[1]} is damaged: {damage[2]}")
    # cursors only grow, so that the server refuses one only if the stream is ahead of the counter that gave it
    if "ID specified in XADD" in said:
        streams = [key for key in map(_text, keys) if type_of_key(key) == "stream"]
        return SerializationError(
            f"{streams[0]} is damaged: it is ahead of its counter, so that nothing can be appended"
        )
    if "WRONGTYPE" not in said:
        return None
    for key in dict.fromkeys(keys):
        name = _text(key)
        # known types only: a key that is gone has the type `none`, and cannot be the reason
        found = str(await ask(b"TYPE", key), "ascii", "replace")
        if found in _TYPES - {expected := type_of_key(name)}:
            return SerializationError(f"{name} is damaged: it is a {found}, and should be a {expected}")
    return None


def _text(key: str | bytes) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else key
