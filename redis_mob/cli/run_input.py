"""What `redis-mob run` is to run: the definition in a file or a module, its flow, and the handlers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from redis_mob.cli.endings import say
from redis_mob.cli.mob_names import require_definition
from redis_mob.errors import DefinitionError, HandlerError
from redis_mob.fleet.definition_file import DefinitionFile, load_definition_file
from redis_mob.fleet.handler_loading import load_handlers, load_mob, require_handlers
from redis_mob.fleet.step_context import Handler
from redis_mob.kernel.validation import require_valid
from redis_mob.models.definition import MobDefinition
from redis_mob.models.mob_retention import MobRetention

HOW_TO_WRITE_A_HANDLER = """\
--handler is missing: the steps of a flow are done by functions of yours. Write one, say in handlers.py:

    def answer(ctx):
        return {"member": ctx.member, "was told": ctx.message}

and name it: --handler handlers:answer serves all roles, --handler handlers:HANDLERS a dict from role to function."""


class MobInput(NamedTuple):
    """What FILE gives: a definition, how long runs are kept, and of a `Mob` its numbers of members and its own name."""

    definition: MobDefinition
    members: Mapping[str, int]
    handler: str | None
    retention: MobRetention


def mob_input(file: Path, console: Console, *, strict: bool) -> MobInput:
    """What FILE names: a file, whose warnings are told, or a `Mob` as module:mob. Raises DefinitionError."""
    with contextlib.redirect_stdout(sys.stderr):
        mob = load_mob(str(file))
    if mob is None:
        definition, retention = _read(file, console, strict=strict)
        return MobInput(definition, {}, None, retention)
    return MobInput(mob.definition(), mob.members, str(file), mob.retention)


def _read(file: Path, console: Console, *, strict: bool) -> DefinitionFile:
    """What a file holds, whose warnings are told. Raises DefinitionError; with `strict`, for warnings too."""
    require_definition(file)
    found = load_definition_file(file, strict=strict, tell=lambda warning: say(console, f"warning: {warning}"))
    try:
        warnings = require_valid(found.definition, strict=strict)
    except DefinitionError as error:
        raise DefinitionError(f"{file}: {error}") from None
    for warning in warnings:
        say(console, f"{file}: {warning}")
    return found


def flow_of(definition: MobDefinition, flow: str | None, option: str = "--flow") -> str:
    """The flow that is named, or the only one. Raises DefinitionError with those that there are for another name."""
    if flow is None and len(definition.flows) == 1:
        return next(iter(definition.flows))
    if flow is not None and flow in definition.flows:
        return flow
    known = ", ".join(map(repr, definition.flows)) or "none"
    asked = f"{option} is missing" if flow is None else f"{option} {flow!r}: there is no such flow"
    raise DefinitionError(f"{asked}; mob {definition.id!r} has: {known}")


def handlers_for(name: str | None, definition: MobDefinition, flow_id: str) -> Mapping[str, Handler]:
    """The handlers that --handler names. Raises HandlerError if there are none, or not for each role of the flow."""
    handlers = handlers_in(name)
    require_handlers(handlers, flow_id, definition)
    return handlers


def handlers_in(name: str | None) -> Mapping[str, Handler]:
    """The handlers that --handler names. Raises HandlerError if there are none."""
    if name is None:
        raise HandlerError(HOW_TO_WRITE_A_HANDLER)
    # standard output is for the result alone, and an imported module may print
    with contextlib.redirect_stdout(sys.stderr):
        return load_handlers(name)
