"""The options of `redis-mob tail`, and of `redis-mob history`, which does not follow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.options import EventFlowOption, EventMobOption, NamespaceOption, SealKeysOption, SharedUrlOption

RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="Its id, or what that begins with; else events of all.", show_default=False),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND", help="Only events of this kind, as step_failed. Repeatable.", show_default=False),
]
EventsAsJson = Annotated[bool, typer.Option("--json", help="Each event as a JSON object on a line.")]


def tail(
    run: RunArgument = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="CURSOR",
            help="Begin after this cursor: 0 is the beginning, now the next event.",
            show_default="0 with a run, now without",
        ),
    ] = None,
    kind: KindOption = None,
    mob: EventMobOption = None,
    flow: EventFlowOption = None,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="End with the newest event that there is.")] = False,
    stay: Annotated[bool, typer.Option("--stay", help="Do not end with the end of the run.")] = False,
    as_json: EventsAsJson = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Print events as they come, of all runs or one.

    Each line has cursor, time, the beginning of the run's id, and what happened. That of a run ends with the run.
    Ctrl-C ends it.

    Exit status: 0 at the end, 2 usage error or an unknown run, 3 storage unavailable.
    """
    _print(run, begin, kind, mob, flow, url, namespace, seal_keys, follow=not no_follow, stay=stay, as_json=as_json)


def history(
    run: RunArgument = None,
    kind: KindOption = None,
    mob: EventMobOption = None,
    flow: EventFlowOption = None,
    as_json: EventsAsJson = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Print the events that there are.

    As tail --from 0 --no-follow.

    Exit status: 0 at the end, 2 usage error or an unknown run, 3 storage unavailable.
    """
    _print(run, "0", kind, mob, flow, url, namespace, seal_keys, follow=False, stay=False, as_json=as_json)


def _print(
    run: str | None,
    begin: str | None,
    kinds: list[str] | None,
    mob: str | None,
    flow: str | None,
    url: str | None,
    namespace: str,
    seal_keys: Path | None,
    *,
    follow: bool,
    stay: bool,
    as_json: bool,
) -> None:
    import asyncio
    from contextlib import suppress

    from redis_mob.cli import tailing
    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url

    console = stderr_console()
    with errors_told(console), suppress(KeyboardInterrupt):
        after = tailing.cursor_of(begin, has_run=run is not None)
        wanted = tailing.Wanted(run, mob, flow, kinds or None, after, follow, stay, as_json)
        address = shared_url(url, of_memory="no other process has a log there")
        asyncio.run(tailing.tail(address, namespace, read_seal_keys(seal_keys), wanted, console))
