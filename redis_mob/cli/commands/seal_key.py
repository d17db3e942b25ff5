"""The options of `redis-mob seal-key`."""

from __future__ import annotations

from typing import Annotated

import typer


def seal_key(
    id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Its id; a random one unless given.", show_default=False)
    ] = None,
) -> None:
    """Print a new random key that seals secrets.

    It is a line for the file that --seal-keys names. With this line everything that the key sealed can be opened;
    without it the secrets are lost.
    """
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line
    from redis_mob.security.sealing import SealKey

    with errors_told(stderr_console()):
        print_line(SealKey.generate(id).to_text())
