"""What commands print on standard output: on a terminal it fits the width, in a pipe nothing is wrapped or cut
(contract: operations-23).
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.console import Console
from rich.segment import Segment, Segments
from rich.text import Text

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

    def rendered(self, *parts: Text) -> str:
        """The text of these parts, one below the other, with the styles that a terminal knows."""
        if self.columns is None:
            return "".join(f"{part.plain}\n" for part in parts)
        console = Console(
            file=io.StringIO(),
            width=self.columns,
            force_terminal=True,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        with console.capture() as capture:
            console.print(Segments(_segments(console, parts)), crop=False, end="")
        return capture.get()


def _segments(console: Console, parts: Iterable[Text]) -> Iterator[Segment]:
    width = console.width
    for part in parts:
        # to look for places where a line may be wrapped takes most of the time of a long page
        is_line = "\n" not in part.plain and part.cell_len <= width
        yield from part.render(console, end="\n") if is_line else console.render(part)


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
