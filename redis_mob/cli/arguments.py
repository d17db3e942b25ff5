"""Reads the values of options that are more than a text or a number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from redis_mob.errors import ValidationError
from redis_mob.models.base import check_value

if TYPE_CHECKING:
    from redis_mob.models.definition import MobDefinition
    from redis_mob.security.sealing import SealKeyring

Number = TypeVar("Number", int, float)


def parse_params(text: str | None) -> Any:
    """The parameters of a flow; an empty object when there are none.

    Raises ValidationError with line and column for a text that is no JSON.
    """
    return {} if text is None else parse_json("--params", text, '{"path": "src"}')


def parse_json(option: str, text: str, example: str) -> Any:
    """The JSON value of an option. Raises ValidationError, with an example, for a text that is none."""
    try:
        return check_value(json.loads(text, parse_constant=_refuse_constant))
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"{option} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}; "
            f"write it like {option} '{example}'"
        ) from None
    except RecursionError:
        raise ValidationError(f"{option} is nested too deeply") from None
    except ValueError as error:
        raise ValidationError(f"{option} cannot be used: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def parse_members(options: Iterable[str], definition: MobDefinition) -> dict[str, int]:
    """How many members each named role has, from texts like `reviewer=3`.

    Raises ValidationError naming the text: it is malformed, or the definition has no such role.
    """
    members: dict[str, int] = {}
    for option in options:
        role, equals, number = option.rpartition("=")
        if not equals or not (number.isascii() and number.isdecimal()) or not 1 <= len(number) <= 4 or int(number) < 1:
            raise ValidationError(f"--members {option!r}: write role=N with N from 1 to 9999, as in reviewer=3")
        if role not in definition.profiles:
            known = ", ".join(map(repr, definition.profiles)) or "none"
            raise ValidationError(f"--members {option!r}: the definition has no role {role!r}; it has: {known}")
        if role in members:
            raise ValidationError(f"--members {option!r}: role {role!r} is given twice")
        members[role] = int(number)
    return members


def read_seal_keys(file: Path | None) -> SealKeyring | None:
    """The seal keys in a file, one in each line, the newest first; None when no file is named.

    Raises ValidationError naming the file, and the line if one is wrong, but never what it holds.
    """
    if file is None:
        return None
    from redis_mob.models.documents import TEXT_ENCODING
    from redis_mob.security.sealing import SealKeyring

    try:
        return SealKeyring.from_text(file.read_text(encoding=TEXT_ENCODING))
    except OSError as error:
        raise ValidationError(f"--seal-keys {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValidationError(f"--seal-keys {file}: it is no text") from None
    except ValidationError as error:
        raise ValidationError(f"--seal-keys {file}: {error}") from None


def within(option: str, value: Number, least: Number, most: Number) -> Number:
    """The value of an option. Raises ValidationError if it is out of its bounds, which are inclusive."""
    if not least <= value <= most:
        raise ValidationError(f"{option} {value:g}: give a number from {least:g} to {most:g}")
    return value
