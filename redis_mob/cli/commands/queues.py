"""The options of `redis-mob queues`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def queues(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each queue.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show what waits, of which role, and who serves it.

    Each line is a mob, a role and a release: how many wait and are under way, and how many workers serve them. It
    also says how much waits for answers of people.

    Exit status: 0 all that waits is served, 1 something waits that no worker serves, 2 usage error, 3 storage
    unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.fleet_view import seen_queues, show_queues

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has queues there")
        seen, asks = asyncio.run(seen_queues(address, namespace, read_seal_keys(seal_keys)))
    show_queues(seen, asks, json=as_json)
    if any(queue.unserved for queue in seen):
        raise typer.Exit(ExitStatus.FAILED)
