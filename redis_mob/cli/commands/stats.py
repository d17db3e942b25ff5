"""The options of `redis-mob stats`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def stats(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show how much there is, and what bounds it.

    It is about the whole namespace: count counts the runs of a mob, a flow, a status or a time. The memory of runs is
    estimated from some of them, that of keys by the server from a few of their records.

    Exit status: 0 shown, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.retention import seen_stats, show_stats

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has runs there")
        seen = asyncio.run(seen_stats(address, namespace, read_seal_keys(seal_keys)))
    show_stats(seen, json=as_json)
