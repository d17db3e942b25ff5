"""Changes of bytes and of JSON values, as an input chooses them."""

from __future__ import annotations

from typing import Any, cast

from tests.fuzz.choices import Choices

TEXTS = (
    *("", "\0", " ", "é", "😀", "\ud800", "a\nb", "\x1b[31m", "../x", "x" * 5000, "{{", "{{ params.x }}", "{{'{'}}"),
    *("$ref", "#", "#/a", "1e999", "-0", "0x1f", "٣", "\u202e", "steps.a.b.c", "(a+)+$", "[" * 300, "null", "true"),
    *("http://169.254.169.254/", "/dev/zero", '{"$ref":"#"}', '{"pattern":"^(a+)+$"}', '{"allOf":[{"$ref":"#"}]}'),
)

NUMBERS = (
    *(0, 1, -1, 2, 255, 256, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**40),
    *(10**400, 10**4299, 0.5, -0.0, 1e308, 5e-324, 1e15, 1e16),
)

BYTES = (
    b"\0",
    b"\xff",
    b"\r\n",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"0",
    b"-",
    b"\x80",
    b"\xc0",
    b"\xed\xa0\x80",
    b"\x1f\x8b",
)


def mutated(data: bytes, choices: Choices) -> bytes:
    """The bytes with one to four changes."""
    changed = bytearray(data)
    for _ in range(1 + choices.number(4)):
        at = choices.number(len(changed) + 1)
        match choices.number(9):
            case 0:
                changed[at:at] = choices.some()
            case 1:
                del changed[at : at + 1 + choices.number(64)]
            case 2:
                changed[at : at + 1] = bytes([choices.byte()])
            case 3 if at < len(changed):
                changed[at] ^= 1 << choices.number(8)
            case 4:
                del changed[at:]
            case 5:
                length = choices.number(256)
                changed[at:at] = changed[at : at + length]
            case 6:
                changed[at : at + choices.number(4)] = choices.one_of(BYTES)
            case 7:
                changed[at : at + choices.number(8)] = str(choices.one_of(NUMBERS[:-2])).encode()
            case _:
                there = choices.number(len(changed) + 1)
                changed[at : at + 16], changed[there : there + 16] = (
                    changed[there : there + 16],
                    changed[at : at + 16],
                )
    return bytes(changed)


def value(choices: Choices, depth: int = 0) -> Any:
    """A JSON value."""
    match choices.number(12 if depth < 4 else 7):
        case 0:
            return None
        case 1:
            return choices.number(2) == 1
        case 2 | 3:
            return choices.one_of(NUMBERS)
        case 4 | 5:
            return choices.one_of(TEXTS)
        case 6:
            return choices.some().decode("utf-8", "surrogateescape")
        case 7 | 8:
            return [value(choices, depth + 1) for _ in range(choices.number(4))]
        case 9:
            nested: Any = value(choices, depth + 1)
            for _ in range(choices.one_of((10, 100, 200, 500, 900))):
                nested = [nested] if choices.number(2) else {"a": nested}
            return nested
        case _:
            return {choices.one_of(TEXTS): value(choices, depth + 1) for _ in range(choices.number(4))}


def mutated_value(document: Any, choices: Choices) -> Any:
    """A copy of a JSON value with one to four of its parts changed; the value itself is left alone."""
    for _ in range(1 + choices.number(4)):
        document = _changed(document, choices, places(document))
    return document


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each part of a JSON value."""
    found = [path]
    if len(path) > 20:
        return found
    if isinstance(document, dict):
        for key, part in cast("dict[str, Any]", document).items():
            found += places(part, (*path, key))
    elif isinstance(document, list):
        for number, part in enumerate(cast("list[Any]", document)):
            found += places(part, (*path, number))
    return found


def part_at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _changed(document: Any, choices: Choices, paths: list[tuple[Any, ...]]) -> Any:
    path = choices.one_of(paths)
    here = part_at(document, path)
    match choices.number(6):
        case 0:
            return _with(document, path, part_at(document, choices.one_of(paths)))
        case 1 if isinstance(here, dict):
            return _with(document, path, {**here, choices.one_of(_names(document, paths)): value(choices, 1)})
        case 2 if path and isinstance(part_at(document, path[:-1]), dict):
            above = cast("dict[str, Any]", part_at(document, path[:-1]))
            name = choices.one_of(_names(document, paths))
            return _with(document, path[:-1], {name if key == path[-1] else key: part for key, part in above.items()})
        case 3 if path and isinstance(part_at(document, path[:-1]), dict):
            above = cast("dict[str, Any]", part_at(document, path[:-1]))
            return _with(document, path[:-1], {key: part for key, part in above.items() if key != path[-1]})
        case 4 if isinstance(here, list):
            return _with(document, path, [*here, *here])
        case _:
            return _with(document, path, value(choices))


def _names(document: Any, paths: list[tuple[Any, ...]]) -> list[str]:
    return [*TEXTS, *(path[-1] for path in paths if path and isinstance(path[-1], str))]


def _with(document: Any, path: tuple[Any, ...], part: Any) -> Any:
    if not path:
        return part
    key, *below = path
    copy = document.copy()
    copy[key] = _with(document[key], tuple(below), part)
    return copy
