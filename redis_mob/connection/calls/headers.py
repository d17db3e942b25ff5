"""The lines of a script that name its keys and arguments.

`--- @keys run frames` gives the keys of a script names, in the order in which they are passed. `--- @args` does so for
the arguments: `name` is one value, `name*` a list, `name:record` one record as the function `take_record` reads it,
and `name:record*` a list of records; of a list its length comes first. A script may have several lines of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis_mob.connection.servers.requests import Part
from redis_mob.errors import InternalError

NamedArguments = dict[str, Any]
"""Arguments by name: a value, a sequence of values for a list or a record, a sequence of records for a list of them."""

_LINE = re.compile(r"^--- @(keys|args)(.*)$", re.MULTILINE)
_KEY = re.compile(r"[a-z][a-z_]*")
_ARGUMENT = re.compile(r"([a-z][a-z_]*)(?::([a-z][a-z_]*))?(\*)?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a script takes under one name: a value, a record, or a list of either."""

    name: str
    record: str | None
    is_list: bool

    @property
    def is_value(self) -> bool:
        """Whether it is one value, which needs no count."""
        return self.record is None and not self.is_list

    @property
    def reader(self) -> str:
        """The Lua expression that reads it from ARGV, with the functions of lua/lib/arguments."""
        if self.record is None:
            return "take_list()" if self.is_list else "take()"
        return f"take_each(take_{self.record})" if self.is_list else f"take_{self.record}()"


@dataclass(frozen=True, slots=True)
class Header:
    """The names of a script's keys, and what it takes as arguments."""

    keys: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    def arguments(self, script: str, given: NamedArguments) -> list[Part]:
        """Named arguments in the order of the script. Raises InternalError for a missing or an unknown name."""
        flat: list[Any] = []
        try:
            for parameter in self.parameters:
                value = given[parameter.name]
                if parameter.record is None and not parameter.is_list:
                    flat.append(value)
                    continue
                if parameter.is_list:
                    flat.append(len(value))
                if parameter.record is not None and parameter.is_list:
                    for record in value:
                        flat += record
                else:
                    flat += value
        except KeyError as error:
            raise InternalError(f"{script}.lua needs the argument {error}") from None
        if len(given) != len(self.parameters):
            unknown = sorted(given.keys() - {parameter.name for parameter in self.parameters})
            raise InternalError(f"{script}.lua takes no argument {', '.join(unknown)}")
        return flat


def bind_names(script: str, text: str) -> tuple[str, Header]:
    """The text with each line of names turned into one line of Lua, and its header.

    Raises InternalError for a line that cannot be read, and for a name that is given twice.
    """
    keys: list[str] = []
    parameters: list[Parameter] = []
    for kind, words in _LINE.findall(text):
        if kind == "keys":
            keys += (_key(script, word) for word in words.split())
        else:
            parameters += (_parameter(script, word) for word in words.split())
    names = [*keys, *(parameter.name for parameter in parameters)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InternalError(f"{script}.lua gives a name twice: {', '.join(twice)}")
    values = {name: f"KEYS[{number}]" for number, name in enumerate(keys, 1)}
    # single values stand at fixed positions, which spares such a script the functions that read on
    fixed = all(parameter.is_value for parameter in parameters)
    for number, parameter in enumerate(parameters, 1):
        values[parameter.name] = f"ARGV[{number}]" if fixed else parameter.reader
    return _LINE.sub(lambda line: _binding(line[2], values), text), Header(tuple(keys), tuple(parameters))


def _binding(words: str, values: Mapping[str, str]) -> str:
    names = [re.split(r"[:*]", word)[0] for word in words.split()]
    return f"local {', '.join(names)} = {', '.join(values[name] for name in names)}" if names else ""


def _key(script: str, word: str) -> str:
    if _KEY.fullmatch(word) is None:
        raise InternalError(f"{script}.lua: {word!r} is no name of a key: use letters a-z and _")
    return word


def _parameter(script: str, word: str) -> Parameter:
    match = _ARGUMENT.fullmatch(word)
    if match is None:
        raise InternalError(f"{script}.lua: {word!r} names no argument: write name, name*, name:record or name:record*")
    return Parameter(match[1], match[2], match[3] is not None)
