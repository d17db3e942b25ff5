"""The lines of a script that name its keys and arguments.

`--- @keys run frames` gives the keys of a script names, in the order in which they are passed; the last one may be a
list, `name*`, of all keys that are left. `--- @args` does so for
the arguments: `name` is one value, `name*` a list, `name:record` one record as the function `take_record` reads it,
and `name:record*` a list of records; of a list its length comes first. A script may have several lines of each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis_mob.connection.servers.requests import Part
from redis_mob.errors import InternalError, shown

NamedArguments = dict[str, Any]
"""Arguments by name: a value, a sequence of values for a list or a record, a sequence of records for a list of them."""

_OF_RUN = "run frames loops outputs steps step_outputs failures iterations inputs index executions published"
_OF_NAMESPACE = (
    "specs spec_revisions profiles profile_revisions supervisors overlays overlay_places definitions "
    "due ready queued workers lost limits events event_identities events_by_time documents versions history ids tokens "
    "seal_keys seal_key_checks deletions retention schedules scheduled schedule_definitions pauses "
    "webhooks webhook_secrets webhook_progress dead_letters gated gate_times debounces asks conversing "
    "budgets reservations model_usage "
    "host_fence host_scopes host_heads host_names host_rows host_commits host_order "
    "generic_records record_places"
)
_PARENT = "parent"
OWNERS = {
    **dict.fromkeys(_OF_RUN.split(), "run"),
    **dict.fromkeys(_OF_NAMESPACE.split(), "meta"),
    **dict.fromkeys((_PARENT, f"{_PARENT}_index", f"{_PARENT}_executions"), _PARENT),
}
"""The keys whose records are counted, and the key that holds the count, by their names (see lua/lib/counts). Those of
the parent of a run count under the same fields as its own."""

_COUNTS = "local count_fields, owner, owners\n"
_LINE = re.compile(r"^--- @(keys|args)(.*)$", re.MULTILINE)
_KEY = re.compile(r"[a-z][a-z_]*\*?")
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

    def takes(self, number: int) -> bool:
        """Whether a call with `number` keys gives those that it names."""
        named = len(self.keys)
        return number >= named - 1 if named and self.keys[-1].endswith("*") else number == named

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


def bind_names(script: str, text: str, *, keys_behind: int = 0) -> tuple[str, Header]:
    """The text with each line of names turned into one line of Lua, and its header.

    `keys_behind` keys come after those that the script names.

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
    if any(name.endswith("*") for name in keys[:-1]):
        raise InternalError(f"{script}.lua has a key behind a list of keys")
    if keys and keys[-1].endswith("*"):
        values[keys[-1].removesuffix("*")] = f"{{ unpack(KEYS, {len(keys)}, #KEYS - {keys_behind}) }}"
    # single values stand at fixed positions, which spares such a script the functions that read on
    fixed = all(parameter.is_value for parameter in parameters)
    for number, parameter in enumerate(parameters, 1):
        values[parameter.name] = f"ARGV[{number}]" if fixed else parameter.reader
    counted = [name for name in keys if name in OWNERS] if _COUNTS in text else []
    if lacking := sorted({OWNERS[name] for name in counted} - set(keys)):
        raise InternalError(f"{script}.lua counts what it writes, and lacks the key {', '.join(lacking)}")
    last = max((line.end() for line in _LINE.finditer(text) if line[1] == "keys"), default=None)

    def binding(line: re.Match[str]) -> str:
        names = [re.split(r"[:*]", word)[0] for word in line[2].split()]
        bound = f"local {', '.join(names)} = {', '.join(values[name] for name in names)}" if names else ""
        # one line of Lua for one line of the header, so that errors of the server name the right line
        return bound + _counting(counted) if line.end() == last else bound

    return _LINE.sub(binding, text), Header(tuple(keys), tuple(parameters))


def _counting(counted: Sequence[str]) -> str:
    """Lua that tells lib/counts which keys are counted, and where; the tables are small, since each call makes them."""
    if not counted:
        return ""
    fields = ", ".join(f"[{name}] = 'n:{_field(name)}'" for name in counted)
    [(owner, _), *_] = Counter(OWNERS[name] for name in counted).most_common()
    others = ", ".join(f"[{name}] = {OWNERS[name]}" for name in counted if OWNERS[name] != owner)
    return f" count_fields, owner = {{ {fields} }}, {owner}" + (f" owners = {{ {others} }}" if others else "")


def _field(name: str) -> str:
    return "run" if name == _PARENT else name.removeprefix(f"{_PARENT}_")


def _key(script: str, word: str) -> str:
    if _KEY.fullmatch(word) is None:
        raise InternalError(f"{script}.lua: {shown(word)} is no name of a key: use letters a-z and _")
    return word


def _parameter(script: str, word: str) -> Parameter:
    match = _ARGUMENT.fullmatch(word)
    if match is None:
        raise InternalError(
            f"{script}.lua: {shown(word)} names no argument: write name, name*, name:record or name:record*"
        )
    return Parameter(match[1], match[2], match[3] is not None)
