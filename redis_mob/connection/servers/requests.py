"""Requests as the protocol spells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import hiredis

from redis_mob.connection.failures import NotSentError

Part = bytes | str | int

_pack_command = cast("Callable[[tuple[Part, ...]], bytes]", hiredis.pack_command)  # its stub knows one part only


def packed(parts: tuple[Part, ...]) -> bytes:
    """A request as bytes, packed in C, which redis-py's asyncio connections do in Python.

    A member of an IntEnum, or of another subclass of int, counts as the number that it holds. Raises NotSentError for a
    part of another type.
    """
    try:
        return _pack_command(parts)
    except (TypeError, ValueError) as error:
        if any(map(_is_of_subclass, parts)):
            return packed(tuple(int(part) if _is_of_subclass(part) else part for part in parts))
        # the values stay out of the message, since they may be secrets
        kinds = ", ".join(sorted({type(part).__name__ for part in parts}))
        raise NotSentError(f"one of the arguments ({kinds}) cannot be sent: {error}") from error


def _is_of_subclass(part: object) -> bool:
    return isinstance(part, int) and type(part) not in (int, bool)
