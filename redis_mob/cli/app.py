"""The command line: options, and how errors become one message and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from redis_mob.cli.arguments import parse_members, parse_params
from redis_mob.cli.display import printable, stderr_console
from redis_mob.cli.run import RunOrder, run_flow
from redis_mob.cli.worker_link import ExitStatus
from redis_mob.cli.workers import WorkersLostError
from redis_mob.connection.address import URL_VARIABLE
from redis_mob.connection.keys import Keys
from redis_mob.errors import DefinitionError, HandlerError, KernelError, RedisMobError, ValidationError
from redis_mob.fleet.definition_file import load_definition
from redis_mob.fleet.handler_loading import load_handlers, require_handlers
from redis_mob.kernel.validation import require_valid
from redis_mob.models.run import MobRunStatus

USAGE_ERRORS = (DefinitionError, HandlerError, ValidationError)

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
    try:
        app(prog_name="redis-mob")
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(ExitStatus.FAILED)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"redis-mob {version('redis-mob')}")
        except PackageNotFoundError:
            typer.echo("redis-mob, not installed: it runs from its source tree")
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
    file: Annotated[Path, typer.Argument(help="The definition: a .toml or .json file.", show_default=False)],
    flow: Annotated[str | None, typer.Option(help="The flow to run.", show_default=False)] = None,
    handler: Annotated[
        str | None,
        typer.Option(help="module:function for all roles, or module:dict from role to function.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=256)] = 1,
    params: Annotated[str | None, typer.Option(help="Parameters of the flow, as JSON.", show_default=False)] = None,
    members: Annotated[
        list[str] | None,
        typer.Option(help="role=N: how many members a role has, 1 unless given. Repeatable.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
    url: Annotated[
        str | None, typer.Option(help="The storage.", envvar=URL_VARIABLE, show_default="embedded:")
    ] = None,
    namespace: Annotated[str, typer.Option(help="The part of the storage to use.")] = "default",
    concurrency: Annotated[int, typer.Option(help="Steps that one worker executes at once.", min=1, max=1000)] = 16,
    lease: Annotated[
        float, typer.Option(help="Seconds until others take over the steps of a worker that vanished.")
    ] = 10.0,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key always means the same run.", show_default=False)
    ] = None,
) -> None:
    """Run a flow to its end with worker processes, and show it meanwhile.

    Ctrl-C cancels the run. Exit status: 0 completed, 1 failed or canceled, 2 usage or definition error, 3 storage
    unavailable.
    """
    console = stderr_console()
    logging.getLogger("redis_mob").addHandler(logging.NullHandler())
    with _errors_told():
        order = _read_order(
            file, flow, handler, workers, params, members or [], url, namespace, concurrency, lease, idempotency_key
        )
        told = asyncio.run(run_flow(order, console))
    for line in told.summary():
        console.out(printable(line), highlight=False)
    if as_json:
        _print(told.as_json())
    raise typer.Exit(ExitStatus.COMPLETED if told.run.status is MobRunStatus.COMPLETED else ExitStatus.FAILED)
