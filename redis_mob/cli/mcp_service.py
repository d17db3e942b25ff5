"""`redis-mob mcp`: serves the tools until its client leaves, or the process is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis_mob.cli.arguments import parse_members, read_seal_keys
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import say, shared_url
from redis_mob.cli.existing import existing
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.extras import needs_extra
from redis_mob.cli.run_input import handlers_in, mob_input
from redis_mob.cli.secret_files import secret_in
from redis_mob.cli.worker_service import leave
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import ValidationError
from redis_mob.fleet.step_context import Handler
from redis_mob.models.definition import MobDefinition
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class McpOptions:
    """The options as the command line gives them."""

    file: Path | None
    flows: tuple[str, ...] | None
    http: str | None
    token_file: str | None
    allowed_hosts: tuple[str, ...]
    answer: bool
    operate: bool
    wait: float
    members: tuple[str, ...]
    strict: bool
    url: str | None
    namespace: str
    seal_keys: Path | None
    durability: str


def serve(options: McpOptions) -> None:
    """Serve until the end. Raises RedisMobError for options that make no sense, before anything is opened."""
    with needs_extra("redis-mob mcp", "mcp"):
        from redis_mob.mcp import serving
        from redis_mob.mcp.server import mcp_server
    # standard output belongs to the protocol
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    console = stderr_console()
    definition: MobDefinition | None = None
    handlers: Mapping[str, Handler] = {}
    members: Mapping[str, int] = {}
    if options.file is not None:
        definition, numbers, own, _ = mob_input(options.file, console, strict=options.strict)
        handlers = {} if own is None else handlers_in(own)
        members = {**numbers, **parse_members(list(options.members), definition)}
    elif options.flows or options.answer or options.members:
        raise ValidationError("--flow, --answer and --members are about the flows of FILE, which is missing")
    place = None
    if options.http is not None:
        place = serving.HttpPlace.of(options.http, options.allowed_hosts, secret_in(options.token_file, "--token-file"))
    elif options.token_file is not None or options.allowed_hosts:
        raise ValidationError("--token-file and --allowed-host are for HTTP: give --http HOST:PORT")

    async def opened() -> None:
        async with _storage(options, definition) as storage:
            server = mcp_server(
                storage,
                definition,
                flows=options.flows,
                handlers=handlers,
                members=members or None,
                wait=options.wait,
                answer=options.answer,
                operate=options.operate,
            )
            if place is not None:
                await serving.serve_http(server, place, lambda url: say(console, f"serving MCP at {url}"))
                return
            ending = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, ending.set)
            await serving.serve_stdio(server, ending)
        if ending.is_set():
            leave(ExitStatus.COMPLETED)  # a thread still reads standard input, and would not let the process end

    asyncio.run(opened())


@asynccontextmanager
async def _storage(options: McpOptions, definition: MobDefinition | None) -> AsyncGenerator[MobStorage]:
    """The storage: with flows a namespace that does not exist is created, for looking alone it is not."""
    url = shared_url(options.url, of_memory="no other process has workers there", must_exist=definition is None)
    keys, namespace = read_seal_keys(options.seal_keys), Keys(options.namespace).namespace
    durability = str(Durability.parse(options.durability))
    if definition is None:
        async with existing(url, namespace, keys) as storage:
            yield storage
        return
    async with MobStorage.open(url, namespace=namespace, seal_key=keys, durability=durability) as storage:
        yield storage
