"""Tables on standard output: within the width of a terminal, without a break inside of a word; whole in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from redis_mob.cli.console import printable
from redis_mob.cli.printing import standard_output, write

Cell = str | Text

SHORT_ID = 8
"""Characters of an id that are shown where there is no room for more, if they tell it from the others of its column."""

_GAP = "  "
_LEAST = 8
"""To how many characters a text is cut at most, so that a row fits."""

_NOTHING = ("", "-")
"""Cells that say nothing."""


def print_columns(
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    right: Sequence[str] = (),
    ids: Sequence[str] = (),
    whole: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print a table, as `table_lines` makes it for standard output."""
    paper = standard_output()
    write(paper.rendered(*table_lines(names, rows, paper.columns, right=right, ids=ids, whole=whole, below=below)))


def table_lines(
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    width: int | None,
    *,
    right: Sequence[str] = (),
    ids: Sequence[str] = (),
    whole: Sequence[str] = (),
    below: Sequence[str] = (),
    is_brief: bool = False,
) -> Iterator[Text]:
    """The lines of a table; its columns named in `right` hold numbers. Without a width each row is one line.

    Where a row is too wide, the columns named in `below` are told below it: in as many lines as they take, in one if it
    is to be brief. Then columns that say nothing are left out, those named in `ids` are shortened, and texts are
    cut but for those of columns named in `whole`.
    """
    table = _Table(names, rows)
    aside: _Table | None = None
    if width is not None and table.width > width and below:
        table, aside = table.split(below)
    if width is not None and table.width > width:
        table = table.without_empty()
    if width is not None and table.width > width:
        table.shorten(ids)
    if width is not None and table.width > width:
        table.cut(width, {*right, *ids, *whole})
    header, *lines = table.lines(right)
    header.stylize("dim")
    yield header
    for number, line in enumerate(lines):
        yield line
        if width is not None and aside is not None:
            yield from aside.told(number, width, is_brief=is_brief)


class _Table:
    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        self._names = list(names)
        cells = [[one.copy() if isinstance(one, Text) else Text(printable(one)) for one in row] for row in rows]
        self._columns: list[list[Text]] = [[row[at] for row in cells] for at in range(len(names))]

    @property
    def width(self) -> int:
        """That of the widest row."""
        return sum(self._widths) + len(_GAP) * (len(self._widths) - 1)

    @property
    def _widths(self) -> list[int]:
        return [
            max(cell_len(name), *(one.cell_len for one in column), 0)
            for name, column in zip(self._names, self._columns, strict=True)
        ]

    def split(self, below: Sequence[str]) -> tuple[_Table, _Table]:
        """A table without these columns, and one of them."""
        return self._with([name for name in self._names if name not in below]), self._with(below)

    def without_empty(self) -> _Table:
        """A table of the columns in which a row says something."""
        pairs = zip(self._names, self._columns, strict=True)
        return self._with([name for name, column in pairs if any(one.plain not in _NOTHING for one in column)])

    def _with(self, names: Sequence[str]) -> _Table:
        chosen = _Table(names, ())
        chosen._columns = [self._columns[self._names.index(name)] for name in names]
        return chosen

    def shorten(self, ids: Sequence[str]) -> None:
        """Cut the ids in these columns to what they begin with, as far as that tells one from another."""
        for name, column in zip(self._names, self._columns, strict=True):
            if name in ids:
                known = {one.plain for one in column}
                length = SHORT_ID
                while len({one[:length] for one in known}) < len(known):
                    length += 1
                for one in column:
                    one.truncate(length)

    def cut(self, width: int, whole: set[str]) -> None:
        """Cut the widest texts until a row is so wide, or none of them can be cut further."""
        while (excess := self.width - width) > 0:
            texts = [
                (wide, at) for at, wide in enumerate(self._widths) if self._names[at] not in whole and wide > _LEAST
            ]
            widest, at = max(texts, default=(0, 0))
            others = [wide for wide, other in texts if other != at]
            least = max(widest - excess, max(others, default=0) - 1, cell_len(self._names[at]), _LEAST)
            if least >= widest:
                return
            for one in self._columns[at]:
                one.truncate(least, overflow="ellipsis")

    def lines(self, right: Sequence[str]) -> Iterator[Text]:
        """The names, and the rows."""
        header = [Text(name) for name in self._names]
        places = list(zip(self._names, self._widths, strict=True))
        for row in (header, *zip(*self._columns, strict=True)):
            line = Text()
            for cell, (name, width) in zip(row, places, strict=True):
                space = " " * (width - cell.cell_len)
                padded = Text.assemble(space, cell) if name in right else Text.assemble(cell, space)
                line.append_text(Text.assemble(_GAP if line else "", padded))
            line.rstrip()
            yield line

    def told(self, number: int, width: int, *, is_brief: bool) -> Iterator[Text]:
        """What a row says, with the names of its columns."""
        named = [
            f"{name.lower()} {cell.plain}".strip()
            for name, cell in zip(self._names, (column[number] for column in self._columns), strict=True)
            if cell.plain not in _NOTHING
        ]
        told, room = Text(_GAP.join(named)), width - len(_GAP)
        if is_brief:
            told.truncate(room, overflow="ellipsis")
        for line in told.wrap(Console(width=width), room) if told else ():
            line.rstrip()
            yield Text.assemble(_GAP, line)
