"""The command line as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.commands.accept_loss import accept_loss
from redis_mob.cli.commands.acl import acl
from redis_mob.cli.commands.answer import answer
from redis_mob.cli.commands.attributes import attributes
from redis_mob.cli.commands.bench import bench
from redis_mob.cli.commands.budget import budget
from redis_mob.cli.commands.cancel import cancel
from redis_mob.cli.commands.count import count
from redis_mob.cli.commands.definitions import definitions
from redis_mob.cli.commands.delete import delete
from redis_mob.cli.commands.doctor import doctor
from redis_mob.cli.commands.export import export
from redis_mob.cli.commands.fork import fork
from redis_mob.cli.commands.import_runs import import_runs
from redis_mob.cli.commands.inbox import inbox
from redis_mob.cli.commands.ls import ls
from redis_mob.cli.commands.move import move
from redis_mob.cli.commands.pause import pause
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

app = typer.Typer(
    name="redis-mob",
    help="Run multi-agent flows exactly once, on Redis or Valkey.",
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


COMMANDS = (
    *(run, start, worker, signal, inbox, answer, budget),
    *(ls, count, show, tail, history, watch, workers, queues),
    *(definitions, releases, move, verify, export),
    *(fork, cancel, terminate, pause, resume, delete, attributes),
    *(retention, prune, stats),
    *(seal_key, doctor, accept_loss, acl, bench),
)

for command in COMMANDS:
    app.command()(command)

app.command("import")(import_runs)
app.add_typer(schedule, name="schedule")
app.add_typer(webhook, name="webhook")
app.command("list", help="Another name of ls.")(ls)
app.command("describe", help="Another name of show.")(show)
app.command("retry", help="Another name of fork.")(fork)
