"""Numbers that stand alone in a value, between a space and a line feed: one that was cut short is another number.

Other values need no mark: what is left of a JSON object or a msgpack array that was cut short cannot be read. Older
releases wrote numbers without the mark, which are still read, and read those with it: to JSON and to `int` it is space.
lua/lib/counters spells numbers the same way.
"""

from __future__ import annotations

_FIRST = frozenset(b"-0123456789")


def delimited(text: bytes) -> bytes:
    """JSON text or decimal digits as they are stored: with the mark if it is a number."""
    return b" %b\n" % text if text[0] in _FIRST else text


def undelimited(stored: bytes) -> bytes:
    """The text that was stored. Raises ValueError if it was cut short."""
    if not stored.startswith(b" "):
        return stored
    if not stored.endswith(b"\n"):
        raise ValueError(f"the number {stored[:40]!r} was cut short")
    return stored[1:-1]


def encode_number(number: int) -> bytes:
    """An integer as it is stored."""
    return b" %d\n" % number


def decode_number(stored: bytes) -> int:
    """The integer that was stored. Raises ValueError."""
    return int(undelimited(stored))
