"""The options of `redis-mob workers`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def workers(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each worker.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show the workers that are alive, and what each executes.

    Exit status: 0 shown, 1 no worker is alive, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, say, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.fleet_view import seen_workers, show_workers

    console = stderr_console()
    with errors_told(console):
        address = shared_url(url, of_memory="no other process has workers there")
        seen = asyncio.run(seen_workers(address, namespace, read_seal_keys(seal_keys)))
    if not seen:
        say(console, "no worker is alive")
        raise typer.Exit(ExitStatus.FAILED)
    show_workers(seen, json=as_json)
