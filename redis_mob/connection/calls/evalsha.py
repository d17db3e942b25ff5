"""Runs a script by its SHA-1, and loads it where the server does not know it (NOSCRIPT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis_mob.connection.calls.scripts import Script
from redis_mob.connection.failures import ReplyLostError, Requestable, ScriptNotLoadedError, ServerRefusalError
from redis_mob.connection.servers.requests import Part

KeyNames = Sequence[str | bytes]
Arguments = Sequence[Part]

_LOADS = 3
"""How often one call loads its script: more than once only if other clients flush the server's scripts in between."""


async def run(
    server: Requestable,
    command: bytes,
    script: Script,
    keys: KeyNames,
    arguments: Arguments,
    *,
    until: float | None = None,
) -> Any:
    """Send one EVALSHA or EVALSHA_RO, and return its raw reply, waited for until this time of the event loop.

    Scripts are not loaded ahead of time: a failover, a restart or SCRIPT FLUSH forgets them at any moment, so that the
    refusal has to be handled here anyway. NOSCRIPT means that nothing ran, so sending the call again is safe.
    Raises a TransportError.
    """
    for _ in range(_LOADS):
        try:
            return await server.request(command, script.sha, len(keys), *keys, *arguments, until=until)
        except ServerRefusalError as refusal:
            if refusal.code != "NOSCRIPT":
                raise
            # on the server that refused, because after a redirection of this call alone the router leads to another one
            await _load(script, refusal.by or server, until)
    return await server.request(command, script.sha, len(keys), *keys, *arguments, until=until)


async def _load(script: Script, server: Requestable, until: float | None) -> None:
    try:
        await server.request(b"SCRIPT", b"LOAD", script.text, until=until)
    except ReplyLostError as error:
        # not ReplyLostError, because the call was refused before and has not run: it may be sent again
        raise ScriptNotLoadedError(str(error)) from error.__cause__
