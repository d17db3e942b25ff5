"""What commands print on standard output: on a terminal it fits the width, in a pipe nothing is wrapped or cut
(contract: operations-23).
"""

from __future__ import annotations

import io
import os
import re
import sys
from typing import NamedTuple

from rich.console import Console, RenderableType

UNBOUNDED = 1_000_000_000
"""The width of a pipe: no line is that long."""

PIPE_COLUMNS = 100
"""The width of what is drawn to a scale, where there is no terminal."""


class Paper(NamedTuple):
    """Where something is printed: how wide lines may be, and whether that is a terminal."""

    columns: int | None = None
    """None in a pipe."""

    @property
    def drawing(self) -> int:
        """The width of what is drawn to a scale."""
        return PIPE_COLUMNS if self.columns is None else self.columns

    def rendered(self, *parts: RenderableType) -> str:
        """The text of these parts, one below the other, with the styles that a terminal knows."""
        console = Console(
            file=io.StringIO(),
            width=self.columns or UNBOUNDED,
            force_terminal=self.columns is not None,
            color_system="auto" if self.columns is not None else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        with console.capture() as capture:
            for part in parts:
                console.print(part)
        return capture.get()


def standard_output() -> Paper:
    """The paper that standard output is."""
    if sys.stdout is None or not sys.stdout.isatty():
        return Paper()
    return Paper(Console(file=sys.stdout).width)


_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What terminals and editors obey, and JSON texts have as it is. Within a text of JSON an escape means the same."""


def write(text: str) -> bool:
    """Write a text to standard output at once, as UTF-8 in any locale; False if its reader is gone."""
    seen = _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    try:
        sys.stdout.buffer.write(seen.encode(errors="backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the flush at exit must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
