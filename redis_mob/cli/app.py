"""The command line: options, and how errors become one message and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from redis_mob.admin.acl import DEFAULT_USER, PASSWORD_PLACE, rights_in, user_in
from redis_mob.admin.doctor.examination import examine
from redis_mob.admin.losses import accept_losses
from redis_mob.cli import acl as acl_output
from redis_mob.cli import doctor as doctor_output
from redis_mob.cli.arguments import parse_json, parse_members, parse_params, read_seal_keys
from redis_mob.cli.bench import bench
from redis_mob.cli.display import printable, stderr_console
from redis_mob.cli.endings import errors_told, print_line, say, usable_url
from redis_mob.cli.run import RunOrder, run_flow
from redis_mob.cli.signal_sending import send
from redis_mob.cli.worker_link import ExitStatus
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.rights import database_of
from redis_mob.connection.servers.url import URL_VARIABLE, parse_address
from redis_mob.errors import (
    DefinitionError,
    HandlerError,
    ValidationError,
)
from redis_mob.fleet.definition_file import load_definition
from redis_mob.fleet.handler_loading import load_handlers, require_handlers
from redis_mob.fleet.lease import SHORTEST_LEASE
from redis_mob.fleet.step_context import Handler
from redis_mob.kernel.validation import require_valid
from redis_mob.models.base import json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run import MobRunStatus
from redis_mob.security.sealing import SealKey
from redis_mob.version import __version__

Number = TypeVar("Number", int, float)

SEAL_KEYS_VARIABLE = "REDIS_MOB_SEAL_KEYS"

MOST_WORKERS = 256
MOST_CONCURRENCY = 1000

LONGEST_LEASE = timedelta(hours=1)

HOW_TO_WRITE_A_HANDLER = """\
--handler is missing: the steps of a flow are done by functions of yours. Write one, say in handlers.py:

    def answer(ctx):
        return {"member": ctx.member, "was told": ctx.message}

and name it: --handler handlers:answer serves all roles, --handler handlers:HANDLERS a dict from role to function."""

UrlOption = Annotated[str | None, typer.Option(help="The storage.", envvar=URL_VARIABLE, show_default="embedded:")]
NamespaceOption = Annotated[str, typer.Option(help="The part of the storage to use.")]
SealKeysOption = Annotated[
    Path | None,
    typer.Option(
        envvar=SEAL_KEYS_VARIABLE,
        help="A file with the keys that seal the secrets of the namespace, one in each line, the newest first.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]
DurabilityOption = Annotated[
    str, typer.Option(help="What the storage is opened with: memory, fsync or replicas:N.", metavar="DURABILITY")
]

app = typer.Typer(
    name="redis-mob",
    help="Run multi-agent flows exactly once, on Redis or Valkey.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


def run_command() -> None:
    """Run the command of this process's arguments, and end the process with its exit status."""
    app(prog_name="redis-mob")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"redis-mob {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The command as a whole, so that `run` is a command of its own."""


@app.command()
def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The definition: a .toml or .json file.", show_default=False)
    ],
    flow: Annotated[str | None, typer.Option(help="The flow to run.", show_default=False)] = None,
    handler: Annotated[
        str | None,
        typer.Option(help="module:function for all roles, or module:dict from role to function.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(help="Worker processes, up to 256.")] = 1,
    params: Annotated[str | None, typer.Option(help="Parameters of the flow, as JSON.", show_default=False)] = None,
    members: Annotated[
        list[str] | None,
        typer.Option(help="role=N: how many members a role has, 1 unless given. Repeatable.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    concurrency: Annotated[int, typer.Option(help="Steps that one worker executes at once, up to 1000.")] = 16,
    lease: Annotated[
        float, typer.Option(help="Seconds until others take over the steps of a worker that was lost.")
    ] = 10.0,
    drain_timeout: Annotated[
        float, typer.Option(help="Seconds that steps under way have after SIGTERM, before they are handed back.")
    ] = 25.0,
    release: Annotated[
        str | None,
        typer.Option(help="The release of the handlers: only workers of it execute the run.", show_default=False),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key always means the same run.", show_default=False)
    ] = None,
    seal_keys: SealKeysOption = None,
    durability: Annotated[
        str,
        typer.Option(metavar="DURABILITY", help="How safe each write is made: memory, fsync or replicas:N."),
    ] = "memory",
) -> None:
    """Run a flow to its end with worker processes, and show it meanwhile.

    Ctrl-C cancels the run. SIGTERM leaves it to other workers, or to the next start with its idempotency key; a run on
    embedded: is canceled, since its server ends too.

    Exit status: 0 completed, 1 failed, canceled or left, 2 usage or definition error, 3 storage unavailable.
    """
    console = stderr_console()
    logging.getLogger("redis_mob").addHandler(logging.NullHandler())
    with errors_told(console):
        definition = _definition(file, console)
        flow_id = _flow_id(definition, flow)
        order = RunOrder(
            definition=definition,
            flow_id=flow_id,
            params=parse_params(params),
            members=parse_members(members or [], definition),
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


@app.command()
def signal(
    run: Annotated[str, typer.Argument(help="The id of the run.")],
    name: Annotated[str, typer.Argument(help="The name of the signal that a step waits for.")],
    payload: Annotated[str | None, typer.Option(help="Its payload, as JSON.", show_default="null")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Sends it once, however often this is called.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Print the step that takes it, as JSON, once one has.")] = False,
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Send a signal to a run, for a step that waits for it, now or later.

    Exit status: 0 sent, 1 the run is over or ends before a step takes it, 2 usage error, an unknown run or signal, or a
    payload that is refused, 3 storage unavailable.
    """
    with errors_told(stderr_console()):
        value = None if payload is None else parse_json("--payload", payload, '{"approved": true}')
        address = usable_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        taken = asyncio.run(send(address, namespace, keys, run, name, value, idempotency_key, wait=wait))
    if taken is not None:
        print_line(json_text(taken._asdict()))


@app.command()
def seal_key(
    id: Annotated[str | None, typer.Argument(help="Its id; a random one unless given.", show_default=False)] = None,
) -> None:
    """Print a new random key that seals secrets, as a line for the file that --seal-keys names.

    With this line everything that the key sealed can be opened; without it the secrets are lost.
    """
    with errors_told(stderr_console()):
        print_line(SealKey.generate(id).to_text())


@app.command()
def doctor(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    durability: DurabilityOption = "memory",
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Look at a server for what would lose data or break, and say what to change. Writes nothing there.

    Exit status: 0 no errors, 1 errors, with --strict also warnings, 2 usage error, 3 storage unavailable.
    """
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


@app.command()
def accept_loss(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    run: Annotated[
        str | None, typer.Option(metavar="ID", help="The run that has lost something.", show_default="the namespace")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let what a namespace, or with --run a run of it, has lost count as never written, and print what that was.

    Calls that would rely on lost records are refused until they are brought back, or their loss is accepted; the doctor
    tells of them. This brings nothing back, and cannot be undone. It changes nothing if nothing is missing. Records of
    an older release, which did not count them, are counted from then on.
    """
    with errors_told(stderr_console()):
        losses = asyncio.run(accept_losses(usable_url(url, of_memory="it loses nothing"), namespace, run))
    if as_json:
        print_line(json_text({"namespace": namespace, "run": run, "accepted": [asdict(loss) for loss in losses]}))
    else:
        print_line("\n".join(printable(str(loss)) for loss in losses) or "nothing is missing")


@app.command()
def acl(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    user: Annotated[
        str | None, typer.Option(help="Its name; that in the URL unless given.", show_default=DEFAULT_USER)
    ] = None,
    durability: DurabilityOption = "memory",
    as_json: JsonOption = False,
) -> None:
    """Print the ACL SETUSER command for a user who can work in one namespace and do nothing else.

    The server is not asked; give the URL if it names a user or a database.
    """
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


app.command()(bench)


def _definition(file: Path, console: Console) -> MobDefinition:
    definition = load_definition(file)
    try:
        warnings = require_valid(definition)
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
