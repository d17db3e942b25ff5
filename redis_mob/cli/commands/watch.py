"""The options of `redis-mob watch`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


class FrontEnd(StrEnum):
    """A protocol of front ends, by the name that an option has for it."""

    AG_UI = "ag-ui"
    AI_SDK = "ai-sdk"


def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or what that begins with.")],
    topic: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="List the chunks of this topic, or reports for 'report'.", show_default=False
        ),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="OFFSET", help="List entries after this offset: 0 is the oldest.", show_default=False
        ),
    ] = None,
    protocol: Annotated[
        FrontEnd | None,
        typer.Option(
            "--format",
            metavar="PROTOCOL",
            help="Print the server-sent events of a protocol of front ends: ag-ui or ai-sdk.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="List each entry as a JSON object on a line.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show a run as it goes on, until it is over.

    With --topic, --after or --json it lists what the handlers tell, an entry a line. With --format it prints what a
    front end is told, until the run is over or waits for answers alone; --after goes with it. Ctrl-C ends the watching,
    not the run.

    Exit status: 0 the run completed, was left or waits for answers, 1 it failed or was canceled, 2 usage error or an
    unknown run, 3 storage unavailable.
    """
    import asyncio
    import sys
    from contextlib import suppress

    from rich.console import Console

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.front_end_frames import framed
    from redis_mob.cli.printing import standard_output, write
    from redis_mob.cli.run_tree import head
    from redis_mob.cli.run_watching import listed, watched
    from redis_mob.errors import ValidationError
    from redis_mob.models.run_status import MobRunStatus

    status, errors = MobRunStatus.COMPLETED, stderr_console()
    with errors_told(errors), suppress(KeyboardInterrupt):
        address = shared_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        if protocol is not None:
            if as_json or topic is not None:
                raise ValidationError("--format goes with --after, and not with --json or --topic")
            status = asyncio.run(framed(address, namespace, keys, run, after, protocol)) or status
        elif as_json or topic is not None or after is not None:
            listing = listed(address, namespace, keys, run, topic, after, errors, as_json=as_json)
            status = asyncio.run(listing) or status
        else:
            out = standard_output()
            if hasattr(sys.stdout, "reconfigure"):
                sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # pyright: ignore
            console = Console(force_terminal=out.columns is not None, highlight=False)
            ended = asyncio.run(watched(address, namespace, keys, run, console))
            write(out.rendered(*head(ended)))
            status = ended.status
    raise typer.Exit(ExitStatus.COMPLETED if status is MobRunStatus.COMPLETED else ExitStatus.FAILED)
