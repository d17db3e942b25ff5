"""What a backup may have in its records and its `meta`: the forms that a restore can write (lua/lib/backup_reading).

A file whose digest was made anew may have anything. It is refused here, before a restore removes or writes a key. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

_ID = re.compile(rb"\d+-\d+").fullmatch
_SCORE = re.compile(rb"[+-]?(?:inf|\d+(?:\.\d+)?(?:e[+-]?\d+)?)").fullmatch
_MILLISECONDS = re.compile(rb"\d{1,15}").fullmatch
_EPOCH = re.compile(rb"\d+").fullmatch


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is bytes for one in cast("list[Any]", value))


def _are_pairs(value: Any) -> bool:
    return _are_texts(value) and not len(value) % 2


def _are_scored(value: Any) -> bool:
    return _are_pairs(value) and all(map(_SCORE, value[1::2]))


def _are_ids(value: Any) -> bool:
    return _are_texts(value) and all(map(_ID, value))


def _are_entries(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_entry, cast("list[Any]", value)))


def _is_entry(value: Any) -> bool:
    match value:
        case [bytes() as id, [_, *_] as fields]:
            return bool(_ID(id)) and _are_pairs(fields)
        case _:
            return False


_OF_TEXTS = {
    b"H": _are_pairs,
    b"Z": _are_scored,
    b"S": _are_texts,
    b"h": _are_texts,
    b"z": _are_texts,
    b"x": _are_ids,
}


def is_record(value: Any) -> bool:
    """Whether a restore can write this."""
    match value:
        case [bytes(), b"meta", *_]:
            return False  # it has the state of the restoring, and comes last
        case [b"R", bytes()]:
            return True
        case [b"E", bytes(), bytes() as at]:
            return bool(_MILLISECONDS(at))
        case [b"L", bytes(), int() as index, items]:
            return type(index) is int and index >= 0 and _are_texts(items)
        case [b"X", bytes(), bytes() as first, entries]:
            return (not first or bool(_ID(first))) and _are_entries(entries)
        case [bytes() as kind, bytes(), elements] if kind in _OF_TEXTS:
            return _OF_TEXTS[kind](elements)
        case _:
            return False


def checked_records(value: Any, refused: Callable[[str], Exception]) -> list[list[Any]]:
    """The records of a frame. Raises what `refused` makes of the reason if they are none."""
    if not isinstance(value, list):
        raise refused("a frame has no list of records")
    records = cast("list[list[Any]]", value)
    if not all(map(is_record, records)):
        raise refused("a record has another form than those that this release reads")  # what it has may be secret
    return records


def checked_meta(parts: Sequence[str], refused: Callable[[str], Exception]) -> Mapping[bytes, bytes]:
    """The fields of `meta` by the trailer. Raises what `refused` makes of the reason if they open no namespace."""
    try:
        fields = [bytes.fromhex(part) for part in parts]
        meta = dict(zip(fields[::2], fields[1::2], strict=True))
    except ValueError:
        raise refused("the fields of its `meta` are no pairs of hexadecimal texts") from None
    if b"schema" not in meta or not _EPOCH(meta.get(b"epoch", b"")):
        raise refused("its `meta` has no schema, or no epoch")
    return meta
