"""The options of `redis-mob prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; tell what would be deleted.")] = False,
    most: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="How many runs to delete at most.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Delete now what the retention policies do not keep.

    Workers do so every minute by themselves. When it is interrupted, do it again.

    Exit status: 0 done, 1 there is no policy, or some runs could not be deleted, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, say, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.retention import pruned, show_report

    console = stderr_console()
    with errors_told(console):
        address = shared_url(url, of_memory="no other process has runs there")
        keys = read_seal_keys(seal_keys)
        report, has_policy = asyncio.run(pruned(address, namespace, keys, dry_run=dry_run, most=most))
    show_report(report, json=as_json)
    for reason in report.left:
        say(console, f"not deleted: {reason}")
    if not has_policy:
        say(console, "everything is kept: set a policy with redis-mob retention set")
    if report.left or not has_policy:
        raise typer.Exit(ExitStatus.FAILED)
