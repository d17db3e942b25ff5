"""The options of `redis-mob run`, and what it is asked to do."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import (
    ConcurrencyOption,
    ConversationOption,
    DrainTimeoutOption,
    FileArgument,
    HandlerOption,
    JsonOption,
    LeaseOption,
    MaxCostOption,
    MaxTokensOption,
    MembersOption,
    NamespaceOption,
    OnBusyOption,
    ParamsOption,
    SealKeysOption,
    StrictOption,
    UrlOption,
    VerboseOption,
    WriteDurabilityOption,
)

MOST_WORKERS = 256
MOST_CONCURRENCY = 1000
LONGEST_LEASE_SECONDS = 3600


def run(
    file: FileArgument,
    flow: Annotated[
        str | None, typer.Option(metavar="NAME", help="The flow to run; the only one unless given.", show_default=False)
    ] = None,
    strict: StrictOption = False,
    handler: HandlerOption = None,
    workers: Annotated[int, typer.Option(metavar="N", help="Worker processes, up to 256.")] = 1,
    params: ParamsOption = None,
    members: MembersOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    concurrency: ConcurrencyOption = 16,
    lease: LeaseOption = 10.0,
    drain_timeout: DrainTimeoutOption = 25.0,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The release of the handlers: only workers of it execute the run.", show_default=False
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key always means the same run.", show_default=False)
    ] = None,
    conversation: ConversationOption = None,
    on_busy: OnBusyOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    seal_keys: SealKeysOption = None,
    durability: WriteDurabilityOption = "memory",
) -> None:
    """Run a flow to its end with worker processes, and show it.

    Ctrl-C cancels the run. SIGTERM leaves it to other workers, or to the next start with its idempotency key; a run on
    embedded: is canceled, since its server ends too. A step fails that needs more than
    --max-tokens or --max-cost leave.

    Exit status: 0 completed, 1 failed, canceled or left, 2 usage or definition error, 3 storage unavailable.
    """
    import asyncio
    import logging
    from datetime import timedelta

    from redis_mob.cli.arguments import parse_members, parse_params, read_seal_keys, within
    from redis_mob.cli.budgets import budget_of
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, say, usable_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.run import RunOrder, run_flow
    from redis_mob.cli.run_input import flow_of, handlers_for, mob_input
    from redis_mob.connection.calls.durability import Durability
    from redis_mob.connection.calls.keys import Keys
    from redis_mob.fleet.lease import SHORTEST_LEASE
    from redis_mob.models.budget import OnExceeded
    from redis_mob.models.run_status import MobRunStatus

    console = stderr_console()
    logging.getLogger("redis_mob").addHandler(logging.NullHandler())
    with errors_told(console):
        definition, numbers, own_handler, retention = mob_input(file, console, strict=strict)
        handler = own_handler if handler is None else handler
        flow_id = flow_of(definition, flow)
        order = RunOrder(
            definition=definition,
            flow_id=flow_id,
            params=parse_params(params),
            members={**numbers, **parse_members(members or [], definition)},
            handlers=handlers_for(handler, definition, flow_id),
            handler=handler or "",
            workers=within("--workers", workers, 1, MOST_WORKERS),
            concurrency=within("--concurrency", concurrency, 1, MOST_CONCURRENCY),
            lease=timedelta(seconds=within("--lease", lease, SHORTEST_LEASE.total_seconds(), LONGEST_LEASE_SECONDS)),
            drain_timeout=timedelta(seconds=within("--drain-timeout", drain_timeout, 0, LONGEST_LEASE_SECONDS)),
            release=release,
            url=usable_url(url, of_memory="worker processes cannot reach it; embedded: needs no server either"),
            namespace=Keys(namespace).namespace,
            idempotency_key=idempotency_key,
            conversation=conversation,
            on_busy=on_busy,
            seal_keys=read_seal_keys(seal_keys),
            durability=str(Durability.parse(durability)),
            retention=retention,
            budget=budget_of(max_tokens, max_cost, OnExceeded.FAIL),
        )
        told = asyncio.run(run_flow(order, console))
    for line in told.summary(verbose=verbose):
        say(console, line)
    if as_json:
        print_line(told.as_json(verbose=verbose))
    raise typer.Exit(ExitStatus.COMPLETED if told.run.status is MobRunStatus.COMPLETED else ExitStatus.FAILED)
