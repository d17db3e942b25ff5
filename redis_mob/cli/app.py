"""The command line as a whole."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer

from redis_mob.version import __version__


class _Command(NamedTuple):
    """A command, or a group of commands: its name, the module of `commands/` that has it, and the function there if
    that is called otherwise; what the list of all says of it where its docstring does not."""

    name: str
    module: str
    function: str | None = None
    help: str | None = None

    def does(self) -> Callable[..., Any] | typer.Typer:
        """What it does, imported: a command waits for its own module, and for that of no other."""
        return getattr(import_module(f"redis_mob.cli.commands.{self.module}"), self.function or self.module)


def _named(names: str) -> Iterable[_Command]:
    """The commands that are called as their modules and functions are."""
    return (_Command(name, name.replace("-", "_")) for name in names.split())


COMMANDS = (
    *_named("run start worker signal inbox answer mcp ui conversation conversations budget"),
    *_named("ls count show diff tail"),
    _Command("history", "tail", "history"),
    *_named("watch workers queues"),
    *_named("definitions releases move verify export"),
    *_named("fork cancel terminate pause resume delete attributes"),
    *_named("retention prune stats metrics"),
    *_named("seal-key payloads doctor migrate accept-loss acl bench"),
    _Command("import", "import_runs"),
    *_named("backup"),
    _Command("restore", "backup", "restore"),
    _Command("copy", "backup", "copy"),
    *_named("schedule webhook"),
    _Command("list", "ls", help="Another name of ls."),
    _Command("describe", "show", help="Another name of show."),
    _Command("retry", "fork", help="Another name of fork."),
)

READERS = {"ls", "show", "diff", "count", "inbox", "queues", "workers", "releases", "definitions", "stats"}
"""The modules of commands that read something, print it and end."""


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
    for command in commands:
        does = command.does()
        if isinstance(does, typer.Typer):
            made.add_typer(does, name=command.name)
        else:
            made.command(command.name, help=command.help)(does)
    return made


def whole_app() -> typer.Typer:
    """All commands."""
    return _made_of(COMMANDS)


def _be_short() -> None:
    """Leave out what serves processes that live long: a third of the time of a long `show`."""
    # All that is read is in use until the end. There the interpreter would look through it once more.
    atexit.register(gc.freeze)
    # pydantic would look for plugins in the metadata of each package that is installed
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def run_command() -> None:
    """Run the command of this process's arguments, and end the process with its exit status.

    Garbage is collected from here on, but not for a command that reads something and ends, and for help.
    """
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    # typer makes the options of all commands that an app has, which takes as long as a short command itself
    only = [command for command in COMMANDS if command.name == asked]
    completes = "_REDIS_MOB_COMPLETE" in os.environ
    run = _made_of(only) if only and not completes else whole_app()
    if all(command.module in READERS for command in only):  # also `--help`, which asks for none
        _be_short()
    else:
        gc.enable()
    run(prog_name="redis-mob")
