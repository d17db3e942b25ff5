"""Asks a server about itself and a namespace; writes nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

from redis_mob.admin.doctor.finding import NotAnsweredError
from redis_mob.admin.doctor.observations import SETTINGS, NamespaceObservations, Observations, Slow, WebhookSeen
from redis_mob.admin.doctor.webhooks import seen_webhooks
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.retention import decode_policies
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.evalsha import run
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.namespace_state import state_in
from redis_mob.connection.calls.rights import missing_rights
from redis_mob.connection.calls.scripts import names_by_digest
from redis_mob.connection.failures import ServerRefusalError
from redis_mob.connection.servers.address import Address, EmbeddedAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.requests import Part
from redis_mob.connection.servers.router import Router
from redis_mob.connection.servers.server_info import ServerInfo, fields_of
from redis_mob.errors import SerializationError
from redis_mob.models.retention import RetentionPolicies

Server = Channel | Router

_PINGS = 9
_SLOWEST = 128
"""Entries of the slow log that are read; servers keep that many unless told otherwise."""


async def probe_server(server: Server, address: Address, namespace: str, durability: Durability) -> Observations:
    """Ask a server of a storage all that the checks need.

    Raises a TransportError if it does not answer, or does not let the user in.
    """
    info = await ask(server, b"INFO")
    pings, ahead = await _pings(server), await _ahead(server)
    identity = info if isinstance(info, NotAnsweredError) else ServerInfo.parse(info)
    in_cluster = isinstance(identity, ServerInfo) and identity.mode == "cluster"
    return Observations(
        server=identity,
        info=info if isinstance(info, NotAnsweredError) else fields_of(info),
        settings=_settings(await ask(server, b"CONFIG", b"GET", *SETTINGS)),
        cluster=_fields(await ask(server, b"CLUSTER", b"INFO")) if in_cluster else {},
        refused=await _refused(server, address, namespace, durability),
        slow=_slow(await ask(server, b"SLOWLOG", b"GET", _SLOWEST)),
        pings=pings,
        ahead=ahead,
        durability=durability,
        throwaway=address == EmbeddedAddress(),
    )


async def probe_namespace(server: Server, namespace: str) -> NamespaceObservations:
    """Ask the server that holds a namespace how much there is in it. Raises a TransportError if it stops answering."""
    keys = Keys(namespace)
    schema, epoch = [await ask(server, b"HGET", keys.meta, field) for field in (b"schema", b"epoch")]
    scheduled = [await ask(server, b"ZCARD", key) for key in (keys.due, keys.ready, keys.queued)]
    return NamespaceObservations(
        namespace=namespace,
        schema=schema.decode(errors="replace") if isinstance(schema, bytes) else schema,
        state=epoch if isinstance(epoch, NotAnsweredError) else state_in(epoch),
        events=await ask(server, b"XLEN", keys.events),
        log_bytes=await ask(server, b"MEMORY", b"USAGE", keys.events),
        runs=await ask(server, b"ZCARD", keys.runs),
        scheduled=_sum(*scheduled),
        policies=_policies(await ask(server, b"HGETALL", keys.retention)),
        changes=await ask(server, b"XLEN", keys.config_feed),
        webhooks=_webhooks(
            *[
                await ask(server, *question)
                for question in (
                    (b"HGETALL", keys.webhooks),
                    (b"HGETALL", keys.webhook_progress),
                    (b"HGET", keys.meta, b"cursor"),
                    (b"TIME",),
                )
            ]
        ),
        letters=await ask(server, b"ZCARD", keys.dead_letters),
    )


async def ask(server: Server, *question: Part) -> Any:
    """The reply to a question, or NotAnsweredError if the server refuses it."""
    try:
        return await server.request(*question)
    except ServerRefusalError as refusal:
        if refusal.code in _NOT_LET_IN:
            raise
        words = [part.decode() if isinstance(part, bytes) else str(part) for part in question]
        return NotAnsweredError(" ".join(words[: 2 if words[0] in _WITH_SUBCOMMANDS else 1]), str(refusal))


_NOT_LET_IN = {"NOAUTH", "WRONGPASS"}
_WITH_SUBCOMMANDS = {"CLUSTER", "CONFIG", "MEMORY", "SLOWLOG"}


def _fields(reply: bytes | NotAnsweredError) -> dict[str, str] | NotAnsweredError:
    return reply if isinstance(reply, NotAnsweredError) else fields_of(reply)


def _settings(reply: Sequence[bytes] | NotAnsweredError) -> dict[str, str] | NotAnsweredError:
    if isinstance(reply, NotAnsweredError):
        return reply
    return {name.decode(): value.decode(errors="replace") for name, value in as_mapping(reply).items()}


def _policies(reply: Sequence[bytes] | NotAnsweredError) -> RetentionPolicies | NotAnsweredError:
    if isinstance(reply, NotAnsweredError):
        return reply
    try:
        return decode_policies(0, as_mapping(reply))
    except SerializationError as damage:
        return NotAnsweredError("HGETALL", str(damage))


def _webhooks(webhooks: Any, progress: Any, cursor: Any, time: Any) -> Sequence[WebhookSeen] | NotAnsweredError:
    for answer in (webhooks, progress, cursor, time):
        if isinstance(answer, NotAnsweredError):
            return answer
    try:
        return seen_webhooks(as_mapping(webhooks), as_mapping(progress), int(cursor or 0), int(time[0]))
    except (SerializationError, ValueError) as damage:
        return NotAnsweredError("HGETALL", str(damage))


def _slow(reply: Sequence[Sequence[Any]] | NotAnsweredError) -> list[Slow] | NotAnsweredError:
    """Our scripts in the reply to SLOWLOG GET, the slowest first."""
    if isinstance(reply, NotAnsweredError):
        return reply
    times: defaultdict[str, list[float]] = defaultdict(list)
    names = names_by_digest()
    for _id, _when, microseconds, words, *_client in reply:
        if words[0].upper() in (b"EVALSHA", b"EVALSHA_RO") and (name := names.get(words[1].decode())):
            times[name].append(microseconds / 1e6)
    return sorted((Slow(name, len(all), max(all)) for name, all in times.items()), key=lambda slow: -slow.longest)


async def _pings(server: Server) -> list[float] | NotAnsweredError:
    took: list[float] = []
    for _ in range(_PINGS):
        begun = time.perf_counter()
        reply = await ask(server, b"PING")
        took.append(time.perf_counter() - begun)
        if isinstance(reply, NotAnsweredError):
            return reply
    return took


async def _ahead(server: Server) -> float | NotAnsweredError:
    """By how many seconds the server's clock is ahead of ours, taking the reply for half-way between the two ends."""
    before = time.time()
    reply = await ask(server, b"TIME")
    after = time.time()
    if isinstance(reply, NotAnsweredError):
        return reply
    seconds, microseconds = map(int, reply)
    return seconds + microseconds / 1e6 - (before + after) / 2


async def _refused(
    server: Server, address: Address, namespace: str, durability: Durability
) -> list[str] | NotAnsweredError:
    """What the user may not do, of all that the library needs in the namespace."""
    try:
        return await missing_rights(partial(run, server, b"EVALSHA_RO"), address, namespace, durability)
    except ServerRefusalError as refusal:
        return NotAnsweredError("EVALSHA_RO", str(refusal))


def _sum(*counts: int | NotAnsweredError) -> int | NotAnsweredError:
    """The sum of counts, or why there is none."""
    missing = next((count for count in counts if isinstance(count, NotAnsweredError)), None)
    return missing or sum(count for count in counts if not isinstance(count, NotAnsweredError))
