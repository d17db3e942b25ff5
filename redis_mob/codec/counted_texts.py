"""Texts of users within keys, members and fields: each behind its length and a colon, so that no two give the same one.

lua/lib/counted_texts reads them the same way.
"""

from __future__ import annotations

from hashlib import blake2b

from redis_mob.errors import SerializationError


def name_digest(name: bytes) -> str:
    """What stands for a name where names must be short and equally long."""
    return blake2b(name, digest_size=16).hexdigest()


def counted(text: bytes) -> bytes:
    """A text behind its length and a colon."""
    return b"%d:%b" % (len(text), text)


def counted_at(what: str, data: bytes, at: int = 0) -> tuple[bytes, int]:
    """The text whose length stands here, and where it ends. Raises SerializationError naming what is damaged."""
    length, colon, _ = data[at : at + 20].partition(b":")
    first = at + len(length) + 1
    if not colon or not length.isdigit() or len(data) < first + int(length):
        raise SerializationError(f"{what} is damaged: at byte {at} of {len(data)} stands no length")
    return data[first : first + int(length)], first + int(length)
