"""What was deflated, up to a bound: a few kilobytes that were changed or forged may stand for gigabytes."""

from __future__ import annotations

import zlib

MOST_BYTES = 512 * 1024 * 1024
"""How long a text may be that was stored shorter: as long as a reply of a server."""


def inflated(deflated: bytes, dictionary: bytes, what: str) -> bytes:
    """The text. Raises ValueError that begins with `what` if it is damaged, or longer than it may be."""
    unpacker = zlib.decompressobj(zdict=dictionary)
    try:
        text = unpacker.decompress(deflated, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"{what} damaged: {error}") from None
    if unpacker.unconsumed_tail:
        raise ValueError(f"{what} damaged: it stands for more than {MOST_BYTES:,} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"{what} damaged: it does not end where it says")
    return text
