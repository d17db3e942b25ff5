"""The command line as a whole."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple

import typer

from redis_mob.cli.commands.accept_loss import accept_loss
from redis_mob.cli.commands.acl import acl
from redis_mob.cli.commands.answer import answer
from redis_mob.cli.commands.attributes import attributes
from redis_mob.cli.commands.bench import bench
from redis_mob.cli.commands.budget import budget
from redis_mob.cli.commands.cancel import cancel
from redis_mob.cli.commands.conversation import conversation
from redis_mob.cli.commands.conversations import conversations
from redis_mob.cli.commands.count import count
from redis_mob.cli.commands.definitions import definitions
from redis_mob.cli.commands.delete import delete
from redis_mob.cli.commands.doctor import doctor
from redis_mob.cli.commands.export import export
from redis_mob.cli.commands.fork import fork
from redis_mob.cli.commands.import_runs import import_runs
from redis_mob.cli.commands.inbox import inbox
from redis_mob.cli.commands.ls import ls
from redis_mob.cli.commands.mcp import mcp
from redis_mob.cli.commands.move import move
from redis_mob.cli.commands.pause import pause
from redis_mob.cli.commands.payloads import payloads
from redis_mob.cli.commands.prune import prune
from redis_mob.cli.commands.queues import queues
from redis_mob.cli.commands.releases import releases
from redis_mob.cli.commands.resume import resume
from redis_mob.cli.commands.retention import retention
from redis_mob.cli.commands.run import run
from redis_mob.cli.commands.schedule import schedule
from redis_mob.cli.commands.seal_key import seal_key
from redis_mob.cli.commands.show import show
from redis_mob.cli.commands.signal import signal
from redis_mob.cli.commands.start import start
from redis_mob.cli.commands.stats import stats
from redis_mob.cli.commands.tail import history, tail
from redis_mob.cli.commands.terminate import terminate
from redis_mob.cli.commands.verify import verify
from redis_mob.cli.commands.watch import watch
from redis_mob.cli.commands.webhook import webhook
from redis_mob.cli.commands.worker import worker
from redis_mob.cli.commands.workers import workers
from redis_mob.version import __version__


class _Command(NamedTuple):
    """A command, or a group of commands, and what the list of all says of it where its docstring does not."""

    name: str
    does: Callable[..., Any] | typer.Typer
    help: str | None = None


def _named(*functions: Callable[..., Any]) -> Iterable[_Command]:
    """The commands that are called as their functions are."""
    return (_Command(function.__name__.replace("_", "-"), function) for function in functions)


COMMANDS = (
    *_named(run, start, worker, signal, inbox, answer, mcp, conversation, conversations, budget),
    *_named(ls, count, show, tail, history, watch, workers, queues),
    *_named(definitions, releases, move, verify, export),
    *_named(fork, cancel, terminate, pause, resume, delete, attributes),
    *_named(retention, prune, stats),
    *_named(seal_key, payloads, doctor, accept_loss, acl, bench),
    _Command("import", import_runs),
    _Command("schedule", schedule),
    _Command("webhook", webhook),
    _Command("list", ls, "Another name of ls."),
    _Command("describe", show, "Another name of show."),
    _Command("retry", fork, "Another name of fork."),
)

READERS = {ls, show, count, inbox, queues, workers, releases, definitions, stats}
"""The commands that read something, print it and end."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"redis-mob {__version__}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The command as a whole, so that `run` is a command of its own."""


def _made_of(commands: Iterable[_Command]) -> typer.Typer:
    made = typer.Typer(
        name="redis-mob",
        help="Run multi-agent flows exactly once, on Redis or Valkey.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    made.callback()(_root)
    for name, does, help in commands:
        if isinstance(does, typer.Typer):
            made.add_typer(does, name=name)
        else:
            made.command(name, help=help)(does)
    return made


app = _made_of(COMMANDS)


def run_command() -> None:
    """Run the command of this process's arguments, and end the process with its exit status."""
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    # typer makes the options of all commands that an app has, which takes as long as a short command itself
    only = [command for command in COMMANDS if command.name == asked]
    completes = "_REDIS_MOB_COMPLETE" in os.environ
    if any(command.does in READERS for command in only):
        # all that is read is in use until the end: to look for garbage takes a sixth of the time of a long `show`
        gc.disable()
    (_made_of(only) if only and not completes else app)(prog_name="redis-mob")
