"""The options of `redis-mob bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.connection.servers.defaults import URL_VARIABLE


def bench(
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The server to measure.", envvar=URL_VARIABLE, show_default="embedded:"),
    ] = None,
    scenarios: Annotated[
        list[str] | None,
        typer.Option(
            help="A group or a scenario, or several with commas between them. Repeatable.",
            metavar="NAMES",
            show_default="all",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds for which each scenario is measured.")
    ] = 1.0,
    rounds: Annotated[int, typer.Option(metavar="N", help="Turns of each scenario in these seconds.")] = 10,
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
    """Measure a server, and print what it does.

    It works in namespaces of its own, which are removed afterwards.

    Exit status: 0 measured, 1 interrupted, or slower than --against by more than the noise, 2 usage error, 3 storage
    unavailable.
    """
    # late, because what a benchmark needs would make each start of the command slower
    from redis_mob.cli.benchmark import Order, carry_out
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, usable_url
    from redis_mob.cli.exit_status import ExitStatus

    console = stderr_console()
    with errors_told(console):
        order = Order(
            url=usable_url(url, of_memory="it has no server to measure"),
            names=[name for text in scenarios or [] for part in text.split(",") if (name := part.strip())],
            seconds=seconds,
            rounds=rounds,
            large=large,
            peers=peers,
            durability=durability,
            json=json,
            markdown=markdown,
            plots=plots,
            against=against,
        )
        text, lost = carry_out(order, console)
    print_line(text)
    for loss in lost:
        print_line(f"slower: {loss}")
    if lost:
        raise typer.Exit(ExitStatus.FAILED)
