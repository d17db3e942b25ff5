"""The options of `redis-mob verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import JsonOfEachOption, NamespaceOption, SealKeysOption, SharedUrlOption
from redis_mob.cli.run_choice import RunChoice, choosing_runs


@choosing_runs
def verify(
    choice: RunChoice,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Their ids, or what these begin with.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All runs to which the conditions apply; those that differ are told.")
    ] = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Compare what is stored of runs with their inputs.

    The inputs are replayed, and states, outputs, ledgers, executions, the events that end runs and their places in the
    lists are compared with that, path by path. Nothing is changed. --all leaves out runs that no fleet has started, as
    imported ones, and says how many.

    Exit status: 0 all agrees, 1 something differs, 2 usage error or an unknown run, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.verification import verify_all, verify_runs

    with errors_told(stderr_console()):
        which = choice.conditions()
        choice.require_named_or_all(runs or (), everything=everything)
        address, keys = shared_url(url, of_memory="no other process has runs there"), read_seal_keys(seal_keys)
        act = (
            verify_runs(address, namespace, keys, runs, json=as_json)
            if runs
            else verify_all(address, namespace, keys, which, json=as_json)
        )
        ends = asyncio.run(act)
    raise typer.Exit(ends)
