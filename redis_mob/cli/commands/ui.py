"""The options of `redis-mob ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def ui(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to serve; others than 127.0.0.1 need tokens or a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 is a free one.")] = 8790,
    token_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A file with lines ROLE NAME TOKEN; ROLE is read or operate.", show_default=False
        ),
    ] = None,
    proxy_header: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The header in which a proxy names the user.", show_default=False),
    ] = None,
    proxy_address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="From where the proxy comes, else this host. Repeatable.", show_default=False
        ),
    ] = None,
    roles_header: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The header in which the proxy lists roles.", show_default=False),
    ] = None,
    operate_role: Annotated[
        str, typer.Option(metavar="NAME", help="The role in that header with which a user operates.")
    ] = "operate",
    operator: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A user of the proxy who operates. Repeatable.", show_default=False),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name of this host that browsers use. Repeatable.", show_default=False),
    ] = None,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Serve a page that shows the fleet as it moves, and steers it.

    On 127.0.0.1 the user of this machine operates without a login. Elsewhere people log in with a token: those of
    --token-file, or of the environment variables REDIS_MOB_UI_READ_TOKEN and REDIS_MOB_UI_OPERATE_TOKEN; or a proxy
    says who they are. It serves until SIGTERM or Ctrl-C; while the storage is away, the page says so.

    Exit status: 0 ended as it should, 2 usage error, 3 storage that cannot be used.
    """
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told
    from redis_mob.cli.ui import UiOptions, serve

    with errors_told(stderr_console()):
        serve(
            UiOptions(
                host=host,
                port=port,
                token_file=token_file,
                proxy_header=proxy_header,
                proxy_addresses=tuple(proxy_address or ()),
                roles_header=roles_header,
                operate_role=operate_role,
                operators=tuple(operator or ()),
                allowed_hosts=tuple(allowed_host or ()),
                url=url,
                namespace=namespace,
                seal_keys=seal_keys,
            )
        )
