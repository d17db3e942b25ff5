"""Paths into the values of a run, shared by conditions and templates (contract: kernel-29)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, cast

from redis_mob.kernel.context import ConditionContext


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value a path leads to, which may be None: JSON's null."""

    value: Any


class Missing(Enum):
    """A path leads nowhere."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

Resolution: TypeAlias = Resolved | Literal[Missing.MISSING]

_INDEX = re.compile(r"\+?0*([0-9]{1,20})")


def resolve(path: str, context: ConditionContext) -> Resolution:
    """The value at a dotted path. Never raises: MISSING for a path that does not fit.

    * `params`, `params.<key>…`
    * `steps.<step>`, `steps.<step>.output`, `steps.<step>.<key>…`: one `output` behind the step is its value itself.
    * `loops.<loop>.iterations.<n>.steps.<step>`, `….<key>…`: without that alias.
    * `item`, `item.<key>…`, `index`: of an execution of a step with `for_each`.

    A key looks into an object, an unsigned number into a list. Every dot separates, so that ids and keys with dots
    cannot be reached; an empty key is a key (contract: kernel-29, kernel-30).
    """
    match path.split("."):
        case ["params", *keys]:
            return _descend(Resolved(context.params), keys)
        case ["steps", step, "output", *keys] | ["steps", step, *keys]:
            return _descend(_look_up(context.steps, step), keys)
        case ["loops", loop, "iterations", number, "steps", step, *keys]:
            return _descend(_look_up(context.loops, loop), [number, step, *keys])
        case ["item", *keys] if context.item is not None:
            return _descend(Resolved(context.item.value), keys)
        case ["index", *keys] if context.item is not None:
            return _descend(Resolved(context.item.index), keys)
        case _:
            return MISSING


def _descend(start: Resolution, keys: Sequence[str]) -> Resolution:
    here = start
    for key in keys:
        if here is MISSING:
            break
        here = _look_up(here.value, key)
    return here


def _look_up(value: Any, key: str) -> Resolution:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return Resolved(items[key]) if key in items else MISSING
    if isinstance(value, list | tuple) and (number := _INDEX.fullmatch(key)):
        entries = cast("Sequence[Any]", value)
        index = int(number[1])
        return Resolved(entries[index]) if index < len(entries) else MISSING
    return MISSING
