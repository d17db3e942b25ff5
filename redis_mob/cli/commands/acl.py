"""The options of `redis-mob acl`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import DurabilityOption, JsonOption, NamespaceOption, UrlOption
from redis_mob.connection.servers.defaults import DEFAULT_USER


def acl(
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its name; that in the URL unless given.", show_default=DEFAULT_USER),
    ] = None,
    durability: DurabilityOption = "memory",
    backups: Annotated[
        bool,
        typer.Option(
            "--backups",
            help="Also what backups, restores and moves need; they see the names of all keys.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the ACL SETUSER command for a user of one namespace.

    The user can work there, and do nothing else. The server is not asked; give the URL if it names a user or a
    database.
    """
    from redis_mob.admin.acl import PASSWORD_PLACE, rights_in, user_in
    from redis_mob.cli import acl as acl_output
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, say, usable_url
    from redis_mob.connection.calls.durability import Durability
    from redis_mob.connection.calls.rights import database_of
    from redis_mob.connection.servers.url import parse_address

    console = stderr_console()
    with errors_told(console):
        address = parse_address(usable_url(url, of_memory="it has no users"))
        rights = rights_in(namespace, Durability.parse(durability), database=database_of(address), backups=backups)
        name = user or user_in(address) or DEFAULT_USER
        command = rights.set_user(name)
    if as_json:
        print_line(acl_output.as_json(rights, name))
    else:
        say(console, f"{PASSWORD_PLACE}: write # and the SHA-256 of the password there, or > and the password")
        print_line(command)
