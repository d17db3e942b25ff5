"""msgpack with the one set of options that all stored bytes use."""

from __future__ import annotations

import threading
from typing import Any

import msgpack

from redis_mob.errors import InternalError, shown

Argument = bytes | str | int
"""What a script may get as an argument."""

UNPACK_ERRORS = (ValueError, LookupError, TypeError, msgpack.UnpackException)
"""What reading foreign or damaged bytes may raise."""


class _Packer(threading.local):
    """One for each thread, used again and again: to make one takes longer than to pack a field group."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Give up the buffer."""
        self.pack = msgpack.Packer(use_bin_type=True).pack


_packer = _Packer()
_MOST_KEPT = 1_000_000
"""A packer that made more bytes is given up: it keeps its buffer, which is as large as the largest value was."""


def pack(value: object) -> bytes:
    """The msgpack bytes of plain values; equal values in equal order give equal bytes.

    Raises InternalError naming a text that is no UTF-8, as one with a lone surrogate is.
    """
    try:
        packed = _packer.pack(value)
    except UnicodeEncodeError as error:
        raise InternalError(f"{shown(error.object)} cannot be stored: {error.reason}") from None
    if len(packed) > _MOST_KEPT:
        _packer.begin_anew()
    return packed


def unpack(data: bytes) -> Any:
    """The value of msgpack bytes; arrays come back as tuples."""
    return msgpack.unpackb(data, raw=False, use_list=False)


def unpack_all(data: bytes) -> list[Any]:
    """The values of msgpack bytes that were put one behind the other."""
    unpacker = msgpack.Unpacker(raw=False, use_list=False)
    unpacker.feed(data)
    return list(unpacker)
