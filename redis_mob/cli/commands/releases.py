"""The options of `redis-mob releases`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def releases(
    release: Annotated[
        str | None,
        typer.Argument(metavar="RELEASE", help="Only this one; is it drained?", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each release.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show the runs of each release, and which one is drained.

    A release is drained when no run that is not over asks for it: then its workers may be stopped. Each run is looked
    at for that. `redis-mob move` gives a run to another release.

    Exit status: 0 shown, 1 the release that was named is not drained, 2 usage error, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.usage import seen_releases, show_releases
    from redis_mob.operations.usage import unused

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has runs there")
        seen = asyncio.run(seen_releases(address, namespace, read_seal_keys(seal_keys)))
    if release is not None:
        seen = [one for one in seen if one.release == release] or [unused(release)]
    show_releases(seen, json=as_json)
    if release is not None and not all(one.is_drained for one in seen):
        raise typer.Exit(ExitStatus.FAILED)
