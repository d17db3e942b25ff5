"""What has happened in a simulation, as a digest by which two of them are compared, and its last lines to be read."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

MOST_LINES = 400
"""Of how many lines a trace keeps the text."""


class Trace:
    """Lines in the order in which they happened, each with its time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hash = hashlib.blake2b(digest_size=16)
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def tell(self, line: str) -> None:
        """Add a line."""
        line = f"{self._clock():.6f} {line}"
        self._hash.update(line.encode("utf-8", "backslashreplace") + b"\n")
        self._lines.append(line)

    @property
    def digest(self) -> str:
        """The digest of all lines so far."""
        return self._hash.hexdigest()

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._lines)
