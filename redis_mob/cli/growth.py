"""What the doctor says of the keys that grow: a table that fits a terminal, and objects for programs."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from redis_mob.admin.doctor.growth import Growth, KindSize
from redis_mob.cli.console import printable
from redis_mob.cli.words import size_text

_NAMES = ("WHAT", "KEYS", "RECORDS", "MEMORY", "BOUNDED BY")
_LEAST = 20
"""Characters that the last column has at least, however narrow the terminal is."""


def growth_object(growth: Growth) -> dict[str, Any]:
    """The same as one object."""
    return {
        "keys_seen": growth.seen,
        "keys_of_server": growth.of,
        "not_permitted": list(growth.refused),
        "kinds": [
            {"kind": one.kind, **one.size._asdict(), "bound": one.bound, "change": one.change or None}
            for one in growth.kinds
        ],
    }


def growth_lines(growth: Growth, namespace: str, width: int | None) -> Iterator[str]:
    """A table of the kinds of keys, and what would bound those that nothing bounds; within a width, if there is one."""
    if not growth.kinds:
        return
    yield f"what grows in namespace {namespace}:"
    rows = [_NAMES, *map(_row, growth.kinds)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_NAMES) - 1)]
    for row, kind in zip(rows, (None, *growth.kinds), strict=True):
        what, *numbers = (
            text.rjust(size) if column else text.ljust(size)
            for column, (text, size) in enumerate(zip(row, widths, strict=False))
        )
        begin = "  ".join((what, *numbers)) + "  "
        first, *further = [row[-1]] if width is None else wrap(row[-1], max(width - len(begin), _LEAST)) or [""]
        yield begin + first
        yield from (" " * len(begin) + line for line in further)
        if kind is not None and kind.change:
            yield f"  -> {kind.change}"
    if growth.seen < growth.of:
        yield f"estimated from {growth.seen} of the {growth.of} keys of the server"
    if growth.refused:
        yield f"? is what the user may not ask: {', '.join(growth.refused)}"


def _row(one: KindSize) -> tuple[str, ...]:
    keys, records, in_bytes = one.size
    memory = "?" if in_bytes is None else size_text(in_bytes)
    return (one.kind, _number(keys), _number(records), memory, printable(one.bound or "nothing"))


def _number(number: int | None) -> str:
    return "?" if number is None else str(number)
