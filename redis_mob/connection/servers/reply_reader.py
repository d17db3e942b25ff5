"""Replies out of the bytes of a server, bounded before they are parsed.

hiredis makes a list as long as its header announces, before an element has come: `*2147483647` of a server that is out
of its mind, or of an attacker between it and us, would take 16 GB of addresses, and half a minute to let the list go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import hiredis

MAX_REPLY_BYTES = 512 * 1024 * 1024
"""A longer reply is no answer to anything that this library asks: the connection is cut."""

MAX_ELEMENTS = 10_000_000
"""Lists of one reply that announce more elements, all together, are none either."""

_KINDS = b"*%~>|"
_LONG = tuple((bytes([kind]), re.compile(rb"%b([0-9]{5,})" % re.escape(bytes([kind])))) for kind in _KINDS)
"""The header of a list that is looked at, since it announces 10,000 elements or more; a text may hold the same."""

_BEGUN = re.compile(rb"[%b][0-9]{0,20}\Z" % re.escape(_KINDS))
"""The beginning of such a header, at the end of what has come."""

# no value of the protocol, so that no reply is taken for it: None is one
_NOTHING_YET = object()

_reader = cast("Callable[..., Any]", hiredis.Reader)  # its stub does not know notEnoughData


class NoReplyError(Exception):
    """What a server sends is no reply, or a larger one than there can be."""


class ReplyReader:
    """Parses what one connection receives."""

    def __init__(self, max_bytes: int = MAX_REPLY_BYTES) -> None:
        self._parser = _reader(notEnoughData=_NOTHING_YET)
        self._gets: Callable[[], Any] = self._parser.gets
        self._max_bytes = max_bytes
        self._incomplete = 0
        """Bytes that came since the last complete reply, or more."""
        self._announced = 0
        """How many elements the lists have that began since then, as far as they are long."""
        self._last = b""
        """The byte that was parsed last, none in the beginning."""
        self._held = b""
        """The beginning of a header, which is parsed with what follows."""

    def take(self, data: bytes, give: Callable[[Any], None]) -> None:
        """Give each reply that is complete with these bytes, in their order. Raises NoReplyError."""
        data, self._held = self._held + data, b""
        # a chunk that ends elsewhere than a line is in the middle of a reply, so that its end may wait
        if not data.endswith(b"\n") and (begun := _BEGUN.search(data, max(len(data) - 21, 0))) is not None:
            data, self._held = data[: begun.start()], data[begun.start() :]
        while (long := _long_header(data)) is not None:
            self._parse(data[: long.start()], give)
            # The parser takes all that is complete, so that the middle of a text leaves something in it; but of a line
            # it takes the first byte at once. A header stands at the beginning of a line.
            if not self._parser.has_data() and self._last in b"\n":
                self._announced += int(long[1][:20])
                if self._announced > MAX_ELEMENTS:
                    raise NoReplyError(f"a reply announces lists of more than {MAX_ELEMENTS:,} elements")
            self._parse(data[long.start() : long.end()], give)
            data = data[long.end() :]
        self._parse(data, give)

    def _parse(self, data: bytes, give: Callable[[Any], None]) -> None:
        self._parser.feed(data)
        self._last = data[-1:] or self._last
        self._incomplete += len(data)
        try:
            while (reply := self._gets()) is not _NOTHING_YET:
                self._incomplete = self._announced = 0
                give(reply)
        except (hiredis.ProtocolError, TypeError, MemoryError) as error:  # a key that cannot be one is a TypeError
            raise NoReplyError(f"the server does not speak the protocol: {error}") from None
        if self._incomplete > self._max_bytes:
            raise NoReplyError(f"a reply has more than {self._max_bytes} bytes")


def announces_a_long_list(data: bytes) -> bool:
    """Whether there is what looks like the header of one."""
    return _long_header(data) is not None


def _long_header(data: bytes) -> re.Match[bytes] | None:
    """The first place that looks like the header of a long list."""
    places = [found for kind, long in _LONG if kind in data and (found := long.search(data)) is not None]
    return min(places, key=re.Match[bytes].start, default=None)
