"""The options of `redis-mob mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import (
    MembersOption,
    NamespaceOption,
    SealKeysOption,
    SharedUrlOption,
    StrictOption,
    WriteDurabilityOption,
)


def mcp(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A .toml or .json file, or module:mob, whose flows are tools.", show_default=False
        ),
    ] = None,
    flow: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this flow is a tool. Repeatable.", show_default=False),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve HTTP instead of standard input and output.", show_default=False),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file with the token that clients give over HTTP.", show_default=False),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name of this host that clients use. Repeatable.", show_default=False),
    ] = None,
    answer: Annotated[
        bool, typer.Option("--answer", help="Let clients answer what runs of this mob ask, by a tool.")
    ] = False,
    operate: Annotated[
        bool, typer.Option("--operate", help="Let clients steer, answer and delete any run of the namespace.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=300, metavar="SECONDS", help="How long a call waits for the end of a run.")
    ] = 10,
    members: MembersOption = None,
    strict: StrictOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
    durability: WriteDurabilityOption = "memory",
) -> None:
    """Offer flows as tools to agents that speak MCP.

    Each flow of FILE is a tool that starts a run, which workers elsewhere execute, and waits a while for its outputs.
    Without FILE nothing can be started; runs can be looked at in any case. It serves the client that has started it,
    over standard input and output, until that leaves, or with --http until SIGTERM or Ctrl-C.

    Exit status: 0 ended as it should, 2 usage or definition error, 3 storage unavailable.
    """
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told
    from redis_mob.cli.mcp_service import McpOptions, serve

    with errors_told(stderr_console()):
        serve(
            McpOptions(
                file=file,
                flows=None if flow is None else tuple(flow),
                http=http,
                token_file=token_file,
                allowed_hosts=tuple(allowed_host or ()),
                answer=answer,
                operate=operate,
                wait=wait,
                members=tuple(members or ()),
                strict=strict,
                url=url,
                namespace=namespace,
                seal_keys=seal_keys,
                durability=durability,
            )
        )
