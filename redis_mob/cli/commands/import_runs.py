"""The options of `redis-mob import`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import JsonOfEachOption, NamespaceOption, SealKeysOption, SharedUrlOption


def import_runs(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `redis-mob export` has written; - is standard input.")
    ],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave runs as they are that are there already.")
    ] = False,
    include_unfinished: Annotated[
        bool, typer.Option("--include-unfinished", help="Take runs too that are not over: they go on here.")
    ] = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Store runs that were exported.

    Each run is stored as a whole or not at all; its events come behind all others of the log. It stops at the first
    run that is there already. When it is interrupted, do it again with --skip-existing.

    Exit status: 0 all are stored, 1 a run is there already or not over, 2 usage error or no such file, 3 storage
    unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.transfer import Wanted, import_file

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has runs there")
        wanted = Wanted(skip_existing=skip_existing, include_unfinished=include_unfinished, json=as_json)
        asyncio.run(import_file(address, namespace, read_seal_keys(seal_keys), file, wanted))
