"""Long JSON texts as they are stored: deflated by zlib (decision 0027).

The first byte tells how a text is stored: no JSON begins with one of these. What is deflated ends with a mark and a
checksum, so that a text that was cut short or changed is refused. Equal texts may have other bytes on another host:
nothing compares them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from redis_mob.codec.inflating import inflated

_PACKED = b"\x01"
"""Begins a text that was deflated by itself."""

_AFTER = b"\x02"
"""Begins one that was deflated with an earlier text as its dictionary; two bytes say how many places before it."""

_LEAST = 128
"""How long a text is that is deflated: of shorter ones less than a fifth is saved."""

_FARTHEST = 0xFFFF

_LEVEL = 3
"""Greater ones save a twentieth of the bytes, and take longer."""

_WINDOW, _MEMORY = 13, 5
"""How much is looked back, 8 KiB, and how much is set up: setting up more takes longer than most texts do."""

_BLANK = zlib.compressobj(_LEVEL, wbits=_WINDOW, memLevel=_MEMORY)


def packed(text: bytes) -> bytes:
    """A JSON text as it is stored: deflated if it is long, and shorter then."""
    if len(text) < _LEAST:
        return text
    packer = _BLANK.copy()
    stored = _PACKED + packer.compress(text) + packer.flush()
    return stored if len(stored) < len(text) else text


def packed_after(text: bytes, before: bytes, distance: int) -> bytes:
    """A JSON text as it is stored that many places after another one, most of which it repeats.

    It can only be read with the other one, so that this must not change as long as it is there.
    """
    if len(before) < _LEAST or distance > _FARTHEST:
        return packed(text)
    wide = len(before) + len(text) > 1 << _WINDOW
    window, memory = (zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL) if wide else (_WINDOW, _MEMORY)
    packer = zlib.compressobj(_LEVEL, wbits=window, memLevel=memory, zdict=before)
    stored = _AFTER + distance.to_bytes(2) + packer.compress(text) + packer.flush()
    alone = packed(text) if len(stored) * 2 > len(text) else text
    return stored if len(stored) < len(alone) else alone


def unpacked(stored: bytes, before: Callable[[int], bytes | None] | None = None) -> bytes:
    """The JSON text that was stored; `before` gives the text that stands so many places before it.

    Raises ValueError if it is damaged, or if the text before it is.
    """
    if stored.startswith(_PACKED):
        return inflated(stored[1:], b"", "a packed text is")
    if stored.startswith(_AFTER):
        distance = int.from_bytes(stored[1:3])
        dictionary = None if before is None else before(distance)
        if dictionary is None:
            raise ValueError(f"a packed text needs the one {distance} before it, which is not there")
        return inflated(stored[3:], dictionary, "a packed text is")
    return stored
