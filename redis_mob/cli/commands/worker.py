"""The options of `redis-mob worker`, and what it is asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.cli.commands.run import LONGEST_LEASE_SECONDS, MOST_CONCURRENCY
from redis_mob.cli.options import (
    ConcurrencyOption,
    DrainTimeoutOption,
    FileArgument,
    HandlerOption,
    LeaseOption,
    NamespaceOption,
    SealKeysOption,
    SharedUrlOption,
    StrictOption,
    WriteDurabilityOption,
)


def worker(
    file: FileArgument,
    handler: HandlerOption = None,
    roles: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE", help="Serve this role, and no other. Repeatable.", show_default="all that have a handler"
        ),
    ] = None,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    concurrency: ConcurrencyOption = 16,
    lease: LeaseOption = 10.0,
    drain_timeout: DrainTimeoutOption = 25.0,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Serve runs that ask for this release, beside those of none.", show_default=False
        ),
    ] = None,
    health_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Touched while the worker is well, and removed at its end.", show_default=False
        ),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Answers HTTP: 200 while the worker is well, else 503.", show_default=False),
    ] = None,
    health_host: Annotated[str, typer.Option(metavar="HOST", help="Where --health-port listens.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="Answers Prometheus with the metrics of this process; may be that of --health-port.",
            show_default=False,
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(metavar="HOST", help="Where --metrics-port listens; others than loopback need a token.")
    ] = "127.0.0.1",
    metrics_token_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Holds the token that requests for metrics carry as Bearer.", show_default=False
        ),
    ] = None,
    strict: StrictOption = False,
    seal_keys: SealKeysOption = None,
    durability: WriteDurabilityOption = "memory",
) -> None:
    """Be a worker: do the steps of a mob until SIGTERM.

    It serves runs that others start, in its own process, and starts none. SIGTERM or Ctrl-C drains it: it takes nothing
    new, lets what it executes end within --drain-timeout, and hands back the rest. A second one ends it at once.

    It is well while the storage says that it holds its lease, and its event loop turns. --health-file is touched every
    few seconds then, also while it drains; --health-port answers 503 while it starts or drains.

    --metrics-port has what OpenTelemetry counts in this process, at /metrics. It needs redis-mob[metrics].

    Exit status: 0 drained, 1 ended at once, 2 usage, definition or handler error, 3 storage unavailable, or away for
    longer than a worker bears, 15 seconds.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys, within
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.run_input import handlers_in, mob_input
    from redis_mob.cli.secret_files import secret_in
    from redis_mob.cli.worker_link import WorkerOrders
    from redis_mob.cli.worker_ports import worker_ports
    from redis_mob.cli.worker_service import ServiceOrder, leave, leave_soon, log_to_stderr, serve, served
    from redis_mob.codec.definitions import digests_of
    from redis_mob.connection.calls.durability import Durability
    from redis_mob.connection.calls.keys import Keys
    from redis_mob.fleet.calls import max_orphaned_turns
    from redis_mob.fleet.lease import SHORTEST_LEASE

    console, status = stderr_console(), int(ExitStatus.COMPLETED)
    try:
        with errors_told(console):
            definition, _, own_handler, retention = mob_input(file, console, strict=strict)
            handler = own_handler if handler is None else handler
            keys = read_seal_keys(seal_keys)
            order = ServiceOrder(
                worker=WorkerOrders(
                    url=shared_url(url, of_memory="no other process has a run there", must_exist=False),
                    namespace=Keys(namespace).namespace,
                    mob=definition.id,
                    definitions=digests_of(definition),
                    release=release,
                    handler=handler or "",
                    lease=within("--lease", lease, SHORTEST_LEASE.total_seconds(), LONGEST_LEASE_SECONDS),
                    drain_timeout=within("--drain-timeout", drain_timeout, 0, LONGEST_LEASE_SECONDS),
                    concurrency=within("--concurrency", concurrency, 1, MOST_CONCURRENCY),
                    max_orphaned_turns=max_orphaned_turns(definition),
                    durability=str(Durability.parse(durability)),
                    seal_keys=None if keys is None else keys.to_text(),
                    retention=retention.model_dump_json(),
                ),
                handlers=served(handlers_in(handler), roles or [], definition),
                health_file=health_file,
                ports=worker_ports(
                    (health_host, health_port),
                    (metrics_host, metrics_port),
                    secret_in(metrics_token_file, "--metrics-token-file"),
                ),
            )
            log_to_stderr()

            async def served_until_the_end() -> ExitStatus:
                ended = await serve(order)
                leave_soon(ended)  # closing the event loop may wait for a thread that never ends
                return ended

            status = int(asyncio.run(served_until_the_end()))
    except typer.Exit as error:
        status = error.exit_code
    leave(status)
