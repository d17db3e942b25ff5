"""What a handler is called with: values of the run by the names of its parameters (contract: engine-51)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from redis_mob.errors import did_you_mean, shortened, shown
from redis_mob.fleet.step_context import StepContext
from redis_mob.fleet.typed.callables import EMPTY
from redis_mob.fleet.typed.signature import Input, Signature
from redis_mob.models.typed_values import read_json, type_name

PARAMS = "params"
"""The parameter of this name gets all parameters of the run."""

ITEM, INDEX = "item", "index"
"""In a step with `for_each` the parameters of these names get the item, and where it stands."""

_MOST_NAMED = 5


class InputError(Exception):
    """A handler cannot be called with what the run holds."""


def arguments_for(
    signature: Signature, context: StepContext, made: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The positional arguments and those by name. `made` are the dependencies.

    Raises InputError naming handler, parameter and path for a value that is absent, or is not what the annotation says.
    """
    given: dict[str, Any] = dict(made)
    if signature.context is not None:
        given[signature.context] = context
    for one in signature.inputs:
        value, source = _found(signature, one, context)
        if value is not EMPTY:
            given[one.name] = _read(signature, one, value, source)
    positional = [given.pop(name) for name in signature.positional if name in given]
    return positional, given


def _found(signature: Signature, one: Input, context: StepContext) -> tuple[Any, str]:
    """The value and where it comes from; `EMPTY` if the default is to be taken."""
    params = context.params
    if one.name == PARAMS:
        return params, "the params of the run"
    if one.name in (ITEM, INDEX) and context.index is not None:
        return (context.item if one.name == ITEM else context.index), f"the {one.name} at index {context.index}"
    if one.name in context.outputs:
        return context.outputs[one.name], f"the output of step {shown(one.name)}"
    if isinstance(params, dict) and one.name in params:
        return cast("dict[str, Any]", params)[one.name], f"the key {shown(one.name)} of the params"
    if one.default is not EMPTY:
        return EMPTY, ""
    raise InputError(f"{_prefix(signature, one)} has no value: {_what_there_is(one.name, context)}")


def _read(signature: Signature, one: Input, value: Any, source: str) -> Any:
    if one.adapter is None:
        return value
    try:
        return read_json(one.adapter, value)
    except ValueError as error:
        raise InputError(
            f"{_prefix(signature, one)} cannot take {source}: {error}; its annotation says {type_name(one.kind)}"
        ) from None


def _prefix(signature: Signature, one: Input) -> str:
    return f"handler {shortened(signature.name)}: parameter {one.name!r}"


def _what_there_is(name: str, context: StepContext) -> str:
    steps, params = list(context.outputs), context.params
    keys = list(cast("dict[str, Any]", params)) if isinstance(params, dict) else []
    has = f"the params have {_listed(keys)}" if isinstance(params, dict) else "the params are no object"
    if name in (ITEM, INDEX):
        hint = "; only a step with for_each has an item and its index"
    else:
        hint = did_you_mean(name, [*steps, *keys]) or "; give the parameter a default if it may be absent"
    sees = f"the outputs of {_listed(steps)}" if steps else "no outputs of other steps"
    return f"the step sees {sees}, and {has}{hint}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(map(shown, names[:_MOST_NAMED])) or "nothing") + more
