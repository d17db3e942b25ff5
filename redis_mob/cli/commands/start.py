"""The options of `redis-mob start`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import (
    ConversationOption,
    FileArgument,
    MaxCostOption,
    MaxTokensOption,
    MembersOption,
    NamespaceOption,
    OnBusyOption,
    ParamsOption,
    SealKeysOption,
    SharedUrlOption,
    StrictOption,
    VerboseOption,
    WriteDurabilityOption,
)


def start(
    file: FileArgument,
    flow: Annotated[
        str | None,
        typer.Argument(metavar="FLOW", help="The flow to start; the only one unless given.", show_default=False),
    ] = None,
    params: ParamsOption = None,
    members: MembersOption = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key always means the same run.", show_default=False)
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it is to begin: ISO 8601, or 30m or 2h from now.", show_default=False),
    ] = None,
    priority: Annotated[int, typer.Option(metavar="N", help="Runs of greater priority go first, from -63 to 63.")] = 0,
    release: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only workers of this release execute the run.", show_default=False),
    ] = None,
    debounce_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Of several starts under one key one run begins, with what the last one gives.",
            show_default=False,
        ),
    ] = None,
    debounce: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long after the last start it begins, as 5s or 1m.", show_default=False),
    ] = None,
    debounce_most: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long after the first start it begins at the latest.", show_default=False
        ),
    ] = None,
    conversation: ConversationOption = None,
    on_busy: OnBusyOption = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An attribute that the run gets. Repeatable.", show_default=False),
    ] = None,
    summary: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What lists show of the run.", show_default=False)
    ] = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the run is over, and say how it went.")] = False,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of the id.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
    durability: WriteDurabilityOption = "memory",
) -> None:
    """Start a run for workers of a server.

    It prints the id of the run. No handlers are needed here. With --wait it shows how the run ended, as run does;
    Ctrl-C ends the waiting, and not the run. With --max-tokens or --max-cost it is paused when these are used up, and
    `redis-mob budget` lets it go on.

    Exit status: 0 started, or completed with --wait, 1 the run failed or was canceled, or the waiting was interrupted,
    or its conversation is busy, 2 usage or definition error, 3 storage unavailable.
    """
    import asyncio
    import logging

    from redis_mob.cli.arguments import parse_members, parse_params, read_seal_keys
    from redis_mob.cli.budgets import budget_of
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.labels import parse_attributes
    from redis_mob.cli.moments import parse_coming
    from redis_mob.cli.run_input import flow_of, mob_input
    from redis_mob.cli.schedules import parse_length
    from redis_mob.cli.starting import StartOrder, started
    from redis_mob.connection.calls.durability import Durability
    from redis_mob.connection.calls.keys import Keys
    from redis_mob.models.budget import OnExceeded
    from redis_mob.models.run_status import MobRunStatus

    console = stderr_console()
    logging.getLogger("redis_mob").addHandler(logging.NullHandler())
    with errors_told(console):
        definition, numbers, *_ = mob_input(file, console, strict=strict)
        order = StartOrder(
            definition=definition,
            flow_id=flow_of(definition, flow, "FLOW"),
            params=parse_params(params),
            members={**numbers, **parse_members(members or [], definition)},
            idempotency_key=key,
            at=parse_coming("--at", at),
            priority=priority,
            release=release,
            attributes=parse_attributes("--attribute", attribute),
            summary=summary,
            debounce_key=debounce_key,
            debounce=parse_length("--debounce", debounce),
            debounce_most=parse_length("--debounce-most", debounce_most),
            conversation=conversation,
            on_busy=on_busy,
            budget=budget_of(max_tokens, max_cost, OnExceeded.PAUSE),
            url=shared_url(url, of_memory="no other process has workers there"),
            namespace=Keys(namespace).namespace,
            seal_keys=read_seal_keys(seal_keys),
            durability=str(Durability.parse(durability)),
        )
        status = asyncio.run(started(order, console, wait=wait, as_json=as_json, verbose=verbose))
    ends_well = status in (None, MobRunStatus.COMPLETED)
    raise typer.Exit(ExitStatus.COMPLETED if ends_well else ExitStatus.FAILED)
