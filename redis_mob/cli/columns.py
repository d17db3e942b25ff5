"""Tables on standard output: within the width of a terminal, and whole in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from redis_mob.cli.display import printable
from redis_mob.cli.endings import print_line

Cell = str | Text


def print_columns(names: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: Sequence[str] = ()) -> None:
    """Print a table, whose columns named in `right` hold numbers. In a pipe each row is one line, however long."""
    if not sys.stdout.isatty():
        _print_lines(names, rows, right)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else printable(cell) for cell in row))
    Console(highlight=False, markup=False).print(table)


def _print_lines(names: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[str]) -> None:
    lines = [list(names), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            text.rjust(width) if name in right else text.ljust(width)
            for text, width, name in zip(line, widths, names, strict=True)
        ]
        print_line("  ".join(cells).rstrip())


def span(seconds: float | None) -> str:
    """A length of time in one or two units, as `3m 20s`; `-` for none."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    for unit, size, smaller, of_smaller in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // of_smaller
            return f"{whole // size}{unit} {rest}{smaller}" if rest else f"{whole // size}{unit}"
    return f"{max(seconds, 0):.1f}s"
