"""The options of `redis-mob signal`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, UrlOption


def signal(
    run: Annotated[str, typer.Argument(help="The id of the run.")],
    name: Annotated[str, typer.Argument(help="The name of the signal that a step waits for.")],
    payload: Annotated[str | None, typer.Option(help="Its payload, as JSON.", show_default="null")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Sends it once, however often this is called.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Print the step that takes it, as JSON, once one has.")] = False,
    url: UrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Send a signal to a run, for a step that waits for it, now or later.

    Exit status: 0 sent, 1 the run is over or ends before a step takes it, 2 usage error, an unknown run or signal, or a
    payload that is refused, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import parse_json, read_seal_keys
    from redis_mob.cli.display import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, usable_url
    from redis_mob.cli.signal_sending import send
    from redis_mob.models.base import json_text

    with errors_told(stderr_console()):
        value = None if payload is None else parse_json("--payload", payload, '{"approved": true}')
        address = usable_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        taken = asyncio.run(send(address, namespace, keys, run, name, value, idempotency_key, wait=wait))
    if taken is not None:
        print_line(json_text(taken._asdict()))
