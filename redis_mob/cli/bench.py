"""The command `redis-mob bench`: its options, and what it writes where."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from redis_mob.bench import (
    Group,
    Report,
    Sizes,
    chosen,
    losses,
    measure,
    read_report,
    suite,
    to_markdown,
    to_text,
    write_plots,
)
from redis_mob.bench.check import Loss, common
from redis_mob.bench.output import require_plots
from redis_mob.bench.runner import ROUNDS, SECONDS
from redis_mob.cli.display import stderr_console
from redis_mob.cli.endings import errors_told, print_line, say, usable_url
from redis_mob.cli.worker_link import ExitStatus
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.servers.url import URL_VARIABLE
from redis_mob.errors import ValidationError

LONGEST = 3600.0
FEWEST_ROUNDS, MOST_ROUNDS = 1, 1000

ATTEMPTS = 3
"""How often what looks like a loss is measured: one that does not show itself again was noise."""

PEERS = "bench.peers.groups"
"""The module of a checkout that has the groups of the peers; they are no part of the package."""


def bench(
    url: Annotated[
        str | None, typer.Option(help="The server to measure.", envvar=URL_VARIABLE, show_default="embedded:")
    ] = None,
    scenarios: Annotated[
        list[str] | None,
        typer.Option(
            help="A group or a scenario, or several with commas between them. Repeatable.",
            metavar="NAMES",
            show_default="all",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Seconds for which each scenario is measured.")] = SECONDS,
    rounds: Annotated[int, typer.Option(help="Turns of each scenario in these seconds.")] = ROUNDS,
    large: Annotated[bool, typer.Option("--large", help="Also fill logs with a million events.")] = False,
    peers: Annotated[bool, typer.Option("--peers", help="Also measure the peers of a checkout: BullMQ, DBOS.")] = False,
    durability: Annotated[
        str, typer.Option(help="How safe each write is made: memory, fsync or replicas:N.", metavar="DURABILITY")
    ] = "memory",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures there, as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page there, as Markdown.")] = None,
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Write plots into that directory, as SVG.")] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare the ratios with those of a JSON that --json wrote.")
    ] = None,
) -> None:
    """Measure a server, in namespaces of its own that are removed afterwards, and print what it does.

    Exit status: 0 measured, 1 interrupted, or slower than --against by more than the noise, 2 usage error, 3 storage
    unavailable.
    """
    console = stderr_console()
    with errors_told(console):
        address = usable_url(url, of_memory="it has no server to measure")
        groups = chosen(_all_groups(large=large, peers=peers), _names(scenarios or []))
        if not 0 < seconds <= LONGEST:
            raise ValidationError(f"--seconds {seconds:g}: give a number above 0, up to {LONGEST:g}")
        if not FEWEST_ROUNDS <= rounds <= MOST_ROUNDS:
            raise ValidationError(f"--rounds {rounds}: give a number from {FEWEST_ROUNDS} to {MOST_ROUNDS}")
        # all that can be wrong with the options is told before minutes are spent on measuring
        stored = None if against is None else read_report(against)
        for option, file in (("--json", json), ("--markdown", markdown)):
            if file is not None and not file.parent.is_dir():
                raise ValidationError(f"{option} {file}: there is no directory {file.parent}")
        if plots is not None:
            require_plots()
        settings = _Settings(address, seconds, rounds, str(Durability.parse(durability)), console)
        report = settings.measured(groups)
        drawn = [] if plots is None else write_plots(report, plots)
        if json is not None:
            json.write_text(report.to_json(), encoding="utf-8")
        if markdown is not None:
            beside = [_from(markdown.parent, file) for file in drawn]
            markdown.write_text(to_markdown(report, beside), encoding="utf-8")
        print_line(to_text(report))
        lost = [] if stored is None else settings.confirmed(stored, report, large=large, peers=peers)
    for loss in lost:
        print_line(f"slower: {loss}")
    if lost:
        raise typer.Exit(ExitStatus.FAILED)


class _Settings:
    """How it is measured."""

    def __init__(self, url: str, seconds: float, rounds: int, durability: str, console: Console) -> None:
        self._url = url
        self._seconds = seconds
        self._rounds = rounds
        self._durability = durability
        self._console = console

    def measured(self, groups: Sequence[Group]) -> Report:
        return asyncio.run(self._measured(groups))

    async def _measured(self, groups: Sequence[Group]) -> Report:
        task = asyncio.ensure_future(
            measure(
                self._url,
                groups,
                seconds=self._seconds,
                rounds=self._rounds,
                durability=self._durability,
                told=lambda line: say(self._console, line),
            )
        )
        # as Ctrl-C does, so that the namespaces are removed
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        finally:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)

    def confirmed(self, stored: Report, report: Report, *, large: bool, peers: bool) -> list[Loss]:
        """The losses that show themselves each time that their groups are measured."""
        if not common(stored, report):
            raise ValidationError("--against: that report has no ratio of what was measured")
        found = losses(stored, report)
        for _ in range(ATTEMPTS - 1):
            if not found:
                break
            names = list(dict.fromkeys(loss.group for loss in found))
            say(self._console, f"measured again, since it looks slower: {', '.join(names)}")
            again = losses(stored, self.measured(chosen(_all_groups(large=large, peers=peers), names)))
            keys = {(loss.group, loss.scenario, loss.compared_with) for loss in found}
            found = [loss for loss in again if (loss.group, loss.scenario, loss.compared_with) in keys]
        return found


def _all_groups(*, large: bool, peers: bool) -> list[Group]:
    """The groups of this package, and with `peers` those of the checkout that the command is run in."""
    groups = suite(Sizes().large() if large else None)
    if not peers:
        return groups
    # an installed command does not look for modules where it is called
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(PEERS)
    except ImportError as error:
        raise ValidationError(f"--peers: {error}; peers are measured in a checkout, by make bench-peers") from None
    finally:
        sys.path.pop(0)
    return [*groups, *module.groups()]


def _names(given: Sequence[str]) -> list[str]:
    return [name for text in given for part in text.split(",") if (name := part.strip())]


def _from(directory: Path, file: Path) -> str:
    """The file as a page in a directory links to it."""
    try:
        return file.resolve().relative_to(directory.resolve()).as_posix()
    except ValueError:
        return file.resolve().as_posix()
