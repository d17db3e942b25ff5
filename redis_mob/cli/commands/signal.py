"""The options of `redis-mob signal`."""

from __future__ import annotations

from typing import Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption


def signal(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or what that begins with.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the signal that a step waits for.")],
    payload: Annotated[
        str | None, typer.Option(metavar="JSON", help="Its payload, as JSON.", show_default="null")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Sends it once, however often this is called.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Print the step that takes it, as JSON, once one has.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Send a signal to a run, for a step that waits for it.

    It goes to one run, and may come before the step waits: ls says which runs wait for a signal.

    Exit status: 0 sent, 1 the run is over or ends before a step takes it, 2 usage error, an unknown run or signal, or a
    payload that is refused, 3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import parse_json, read_seal_keys
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, print_line, say, shared_url
    from redis_mob.cli.signal_sending import send
    from redis_mob.models.base import json_text

    console = stderr_console()
    with errors_told(console):
        value = None if payload is None else parse_json("--payload", payload, '{"approved": true}')
        address = shared_url(url, of_memory="no other process has a run there")
        keys = read_seal_keys(seal_keys)
        taken = asyncio.run(send(address, namespace, keys, run, name, value, idempotency_key, wait=wait))
    say(console, "sent" if taken is None else f"sent, and taken by step {taken.step_id}")
    if taken is not None:
        print_line(json_text(taken._asdict()))
