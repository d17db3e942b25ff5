"""The options of `redis-mob attributes`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def attributes(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or what that begins with.")],
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="An attribute that it is to have; others stay.", show_default=False),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Remove this attribute. Repeatable.", show_default=False),
    ] = None,
    summary: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Its summary, which lists show; '' removes it.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as one JSON object.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Set what a run is found by, and print it.

    Without NAME=VALUE and options it only prints. The run may be over. `ls --attribute NAME=VALUE` finds it.

    Exit status: 0 done, 1 it would have more than 32 attributes, 2 usage error or an unknown run, 3 storage
    unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.labels import changed_labels, label_change, show_labels

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        change = label_change(given or (), unset or (), summary)
        found = asyncio.run(changed_labels(address, namespace, read_seal_keys(seal_keys), run, change))
        show_labels(*found, json=as_json)
