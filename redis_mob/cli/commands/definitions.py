"""The options of `redis-mob definitions`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


class Action(StrEnum):
    """What is done with definitions."""

    LIST = "list"
    SHOW = "show"


def definitions(
    action: Annotated[
        Action, typer.Argument(metavar="ACTION", help="List them, or show one.", show_choices=False)
    ] = Action.LIST,
    digest: Annotated[
        str | None, typer.Argument(metavar="DIGEST", help="The one to show, or what it begins with.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each; show one as JSON, else it is TOML.")
    ] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """List what runs were started with, or show one of them.

    Of each definition: its runs by status, since when there are any, how many living workers are made for it, and
    which schedules start it. Each run is looked at for that.

    Exit status: 0 shown, 2 usage error or an unknown digest, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, shared_url
    from redis_mob.cli.usage import seen_definition, seen_definitions, show_definitions
    from redis_mob.errors import ValidationError

    with errors_told(stderr_console()):
        if (digest is None) is (action is Action.SHOW):
            raise ValidationError("write `redis-mob definitions` for a list, or `redis-mob definitions show DIGEST`")
        address, keys = shared_url(url, of_memory="no other process has runs there"), read_seal_keys(seal_keys)
        if digest is None:
            show_definitions(asyncio.run(seen_definitions(address, namespace, keys)), json=as_json)
        else:
            found = asyncio.run(seen_definition(address, namespace, keys, digest))
            print_line(found.model_dump_json() if as_json else found.to_toml().rstrip("\n"))
