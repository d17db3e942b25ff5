"""What the commands do, with the values of their options; how errors become one message and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console

from redis_mob.admin.acl import PASSWORD_PLACE, rights_in, user_in
from redis_mob.admin.doctor.examination import examine
from redis_mob.admin.losses import accept_losses
from redis_mob.cli import acl as acl_output
from redis_mob.cli import doctor as doctor_output
from redis_mob.cli.arguments import parse_json, parse_members, parse_params, read_seal_keys
from redis_mob.cli.display import printable, stderr_console
from redis_mob.cli.endings import errors_told, print_line, say, usable_url
from redis_mob.cli.run import RunOrder, run_flow
from redis_mob.cli.signal_sending import send
from redis_mob.cli.worker_link import ExitStatus
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.rights import database_of
from redis_mob.connection.servers.defaults import DEFAULT_USER
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import (
    DefinitionError,
    HandlerError,
    ValidationError,
)
from redis_mob.fleet.definition_file import load_definition
from redis_mob.fleet.handler_loading import WrittenMob, load_handlers, load_mob, require_handlers
from redis_mob.fleet.lease import SHORTEST_LEASE
from redis_mob.fleet.step_context import Handler
from redis_mob.kernel.validation import require_valid
from redis_mob.models.base import json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run import MobRunStatus
from redis_mob.security.sealing import SealKey

Number = TypeVar("Number", int, float)

MOST_WORKERS = 256
MOST_CONCURRENCY = 1000

LONGEST_LEASE = timedelta(hours=1)

HOW_TO_WRITE_A_HANDLER = """\
--handler is missing: the steps of a flow are done by functions of yours. Write one, say in handlers.py:

    def answer(ctx):
        return {"member": ctx.member, "was told": ctx.message}

and name it: --handler handlers:answer serves all roles, --handler handlers:HANDLERS a dict from role to function."""


def run(
    *,
    file: Path,
    flow: str | None,
    strict: bool,
    handler: str | None,
    workers: int,
    params: str | None,
    members: list[str] | None,
    as_json: bool,
    url: str | None,
    namespace: str,
    concurrency: int,
    lease: float,
    drain_timeout: float,
    release: str | None,
    idempotency_key: str | None,
    seal_keys: Path | None,
    durability: str,
) -> None:
    """Run a flow to its end with worker processes."""
    console = stderr_console()
    logging.getLogger("redis_mob").addHandler(logging.NullHandler())
    with errors_told(console):
        mob = _mob(file)
        definition = _definition(file, console, strict=strict) if mob is None else mob.definition()
        handler = str(file) if handler is None and mob is not None else handler
        flow_id = _flow_id(definition, flow)
        order = RunOrder(
            definition=definition,
            flow_id=flow_id,
            params=parse_params(params),
            members={**({} if mob is None else mob.members), **parse_members(members or [], definition)},
            handlers=_handlers(handler, definition, flow_id),
            handler=handler or "",
            workers=_within("--workers", workers, 1, MOST_WORKERS),
            concurrency=_within("--concurrency", concurrency, 1, MOST_CONCURRENCY),
            lease=timedelta(
                seconds=_within("--lease", lease, SHORTEST_LEASE.total_seconds(), LONGEST_LEASE.total_seconds())
            ),
            drain_timeout=timedelta(
                seconds=_within("--drain-timeout", drain_timeout, 0, LONGEST_LEASE.total_seconds())
            ),
            release=release,
            url=usable_url(url, of_memory="worker processes cannot reach it; embedded: needs no server either"),
            namespace=Keys(namespace).namespace,
            idempotency_key=idempotency_key,
            seal_keys=read_seal_keys(seal_keys),
            durability=str(Durability.parse(durability)),
        )
        told = asyncio.run(run_flow(order, console))
    for line in told.summary():
        say(console, line)
    if as_json:
        print_line(told.as_json())
    raise typer.Exit(ExitStatus.COMPLETED if told.run.status is MobRunStatus.COMPLETED else ExitStatus.FAILED)


def signal(
    *,
    run: str,
    name: str,
    payload: str | None,
    idempotency_key: str | None,
    wait: bool,
    url: str | None,
    namespace: str,
    seal_keys: Path | None,
) -> None:
    """Send a signal to a run."""
    with errors_told(stderr_console()):
        value = None if payload is None else parse_json("--payload", payload, '{"approved": true}')
        address = usable_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        taken = asyncio.run(send(address, namespace, keys, run, name, value, idempotency_key, wait=wait))
    if taken is not None:
        print_line(json_text(taken._asdict()))


def seal_key(
    *,
    id: str | None,
) -> None:
    """Print a new random key that seals secrets."""
    with errors_told(stderr_console()):
        print_line(SealKey.generate(id).to_text())


def doctor(
    *,
    url: str | None,
    namespace: str,
    durability: str,
    as_json: bool,
    strict: bool,
) -> None:
    """Look at a server."""
    with errors_told(stderr_console()):
        asked = Durability.parse(durability)
        address = usable_url(url, of_memory="it has no server to look at")
        examination = asyncio.run(examine(address, namespace, asked))
    if as_json:
        print_line(doctor_output.as_json(examination))
    else:
        print_line(doctor_output.as_text(examination, coloured=sys.stdout.isatty()))
    healthy = doctor_output.is_healthy(examination, strict=strict)
    raise typer.Exit(ExitStatus.COMPLETED if healthy else ExitStatus.FAILED)


def accept_loss(
    *,
    url: str | None,
    namespace: str,
    run: str | None,
    as_json: bool,
) -> None:
    """Let what was lost count as never written."""
    with errors_told(stderr_console()):
        losses = asyncio.run(accept_losses(usable_url(url, of_memory="it loses nothing"), namespace, run))
    if as_json:
        print_line(json_text({"namespace": namespace, "run": run, "accepted": [asdict(loss) for loss in losses]}))
    else:
        print_line("\n".join(printable(str(loss)) for loss in losses) or "nothing is missing")


def acl(
    *,
    url: str | None,
    namespace: str,
    user: str | None,
    durability: str,
    as_json: bool,
) -> None:
    """Print the command for a user of one namespace."""
    console = stderr_console()
    with errors_told(console):
        address = parse_address(usable_url(url, of_memory="it has no users"))
        rights = rights_in(namespace, Durability.parse(durability), database=database_of(address))
        name = user or user_in(address) or DEFAULT_USER
        command = rights.set_user(name)
    if as_json:
        print_line(acl_output.as_json(rights, name))
    else:
        say(console, f"{PASSWORD_PLACE}: write # and the SHA-256 of the password there, or > and the password")
        print_line(command)


def _mob(file: Path) -> WrittenMob | None:
    with contextlib.redirect_stdout(sys.stderr):
        return load_mob(str(file))


def _definition(file: Path, console: Console, *, strict: bool) -> MobDefinition:
    definition = load_definition(file, strict=strict, tell=lambda warning: say(console, f"warning: {warning}"))
    try:
        warnings = require_valid(definition, strict=strict)
    except DefinitionError as error:
        raise DefinitionError(f"{file}: {error}") from None
    for warning in warnings:
        say(console, f"{file}: {warning}")
    return definition


def _flow_id(definition: MobDefinition, flow: str | None) -> str:
    if flow is not None and flow in definition.flows:
        return flow
    known = ", ".join(map(repr, definition.flows)) or "none"
    asked = "--flow is missing" if flow is None else f"--flow {flow!r}: there is no such flow"
    raise DefinitionError(f"{asked}; mob {definition.id!r} has: {known}")


def _handlers(name: str | None, definition: MobDefinition, flow_id: str) -> Mapping[str, Handler]:
    if name is None:
        raise HandlerError(HOW_TO_WRITE_A_HANDLER)
    with contextlib.redirect_stdout(
        sys.stderr
    ):  # standard output is for the result alone; an imported module may print
        handlers = load_handlers(name)
    require_handlers(handlers, flow_id, definition.flows[flow_id])
    return handlers


def _within(option: str, value: Number, least: Number, most: Number) -> Number:
    if not least <= value <= most:
        raise ValidationError(f"{option} {value:g}: give a number from {least:g} to {most:g}")
    return value
