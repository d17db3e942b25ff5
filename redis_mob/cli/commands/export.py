"""The options of `redis-mob export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption
from redis_mob.cli.run_choice import RunChoice, choosing_runs


@choosing_runs
def export(
    choice: RunChoice,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Their ids, or what these begin with.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All runs to which the conditions apply.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write them to a new file instead of standard output.", show_default=False),
    ] = None,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Write runs whole, as lines of JSON, for `redis-mob import`.

    Each line is a run with its states, outputs, ledgers, executions, events and what was published of it, or a
    definition that runs have. Nothing of the runs is changed.

    Exit status: 0 written, 1 the file is there already, 2 usage error or an unknown run, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.transfer import export_runs

    with errors_told(stderr_console()):
        which = choice.conditions()
        choice.require_named_or_all(runs or (), everything=everything)
        address = shared_url(url, of_memory="no other process has runs there")
        asyncio.run(export_runs(address, namespace, read_seal_keys(seal_keys), runs, which, output))
