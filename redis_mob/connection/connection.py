"""Opens a storage's server and runs scripts on it; the driver's exceptions end here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from redis_mob.connection.address import (
    ClusterAddress,
    EmbeddedAddress,
    MemoryAddress,
    SentinelAddress,
    ServiceAddress,
)
from redis_mob.connection.cluster import ClusterLocator
from redis_mob.connection.embedded import EmbeddedServer
from redis_mob.connection.keys import Keys
from redis_mob.connection.locator import FixedLocator, Locator
from redis_mob.connection.refusals import explain, is_transient
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.routing import GivenUp, Router
from redis_mob.connection.scripts import Script, once
from redis_mob.connection.scripts import script as script_named
from redis_mob.connection.sentinel import SentinelLocator
from redis_mob.connection.server_info import ServerInfo
from redis_mob.connection.sessions import Session, Slot, first_reply
from redis_mob.connection.transport import NotSent, Part, ReplyLost, ServerRefusal, Transport, TransportError
from redis_mob.connection.url import parse_address, storage_url
from redis_mob.errors import (
    InternalError,
    OutcomeUnknownError,
    ReadFailedError,
    SerializationError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
)

NAMESPACE_SCHEMA = 1
"""The version of the layout of keys and fields that this release reads and writes."""

CONNECT_TIMEOUT = 5.0
REPLY_TIMEOUT = 10.0
MAX_REQUESTS = 1000

_READ_PAUSES = (0.05, 0.2, 0.5)
"""Seconds between the attempts of a read, each shortened by a random part."""

_LOADS = 3
"""How often one call loads its script: more than once only if others flush the server's scripts in between."""


class NotLoaded(NotSent):
    """The reply to loading a script was lost, so that the script was not run."""


class Connection:
    """A server that scripts run on, for one event loop; `connect` makes it.

    `url` is how other processes of this user reach the same server, password included; the rest shows no password.
    `server` says what runs there. Of a Cluster it is the node that holds the namespace, whichever that is at the time.
    """

    def __init__(
        self,
        address: ServiceAddress,
        namespace: str | None,
        transport: Router,
        server: ServerInfo,
        embedded: EmbeddedServer | None,
        retry: RetryPolicy,
    ) -> None:
        self.url = address.url
        self.server = server
        self.transport = transport
        self._address = address
        self._namespace = namespace
        self._session = None if namespace is None else Session(namespace)
        self._embedded = embedded
        self._retry = retry
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def __repr__(self) -> str:
        return f"Connection({str(self._address)!r})"

    async def call(self, script: Script | str, keys: Sequence[str | bytes], args: Sequence[Part] = ()) -> Any:
        """Run a script that may write, at most once, and return its raw reply: bytes, int, None or a list of these.

        When the reply is lost it is sent again for a while, unless the connection is for no namespace: the server then
        gives the first reply, if there was one. Raises WriteFailedError if it had no effect because it could not be
        sent or the server refused it, OutcomeUnknownError if nothing could be learned in time.
        """
        script = self._ready(script)
        if self._session is None:
            token, outcome = uuid4().hex, self._run(b"EVALSHA", script, keys, args)
        else:
            slot = self._session.begin()
            token, outcome = self._session.token(slot), self._once(self._session, slot, script, keys, args)
        try:
            return await outcome
        except ReplyLost as error:
            raise OutcomeUnknownError(
                f"{script.name} on {self._address}: the connection was lost after the request was sent ({error}); "
                "it may or may not have happened",
                token,
            ) from error.__cause__
        except TransportError as error:
            raise WriteFailedError(f"{script.name} on {self._address}: {_explained(error)}") from _cause(error)

    async def read(self, script: Script | str, keys: Sequence[str | bytes], args: Sequence[Part] = ()) -> Any:
        """Run a script that only reads, and return its raw reply; a lost connection is tried again a few times.

        Raises ReadFailedError if no attempt got a reply, or the server refused.
        """
        script = self._ready(script)
        for pause in (*_READ_PAUSES, None):
            try:
                return await self._run(b"EVALSHA_RO", script, keys, args)
            except TransportError as error:
                if pause is None or _is_final(error):
                    raise ReadFailedError(f"{script.name} on {self._address}: {_explained(error)}") from _cause(error)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
        raise AssertionError("the last attempt returns or raises")

    async def open_namespace(self, namespace: str) -> Keys:
        """The keys of a namespace, which is created if it does not exist.

        Raises ValidationError for a bad name, InternalError for another one than the connection was made for,
        StorageUnavailableError if a newer version of redis_mob wrote it or it cannot be created, SerializationError if
        its version cannot be read.
        """
        keys = Keys(namespace)
        if self._namespace not in (None, namespace):
            raise InternalError(f"{self!r} is for namespace {self._namespace!r}: connect again for {namespace!r}")
        try:
            reply = await self.call("meta/open_namespace", [keys.meta], [NAMESPACE_SCHEMA])
        except WriteFailedError as error:
            raise StorageUnavailableError(f"cannot open namespace {namespace!r}: {error}") from error.__cause__
        try:
            schema = int(reply)
        except ValueError as error:
            raise SerializationError(f"{keys.meta} has the unreadable schema version {reply!r}") from error
        if schema > NAMESPACE_SCHEMA:
            raise StorageUnavailableError(
                f"namespace {namespace!r} on {self._address} has schema version {schema}, written by a newer "
                f"redis_mob; this one reads up to version {NAMESPACE_SCHEMA}: upgrade it, or use another namespace"
            )
        return keys

    async def aclose(self) -> None:
        """Close all connections, and end the embedded server if this process owns it. Calling it again does nothing."""
        self._closed = True
        await _close(self.transport, self._embedded)

    def _ready(self, script: Script | str) -> Script:
        if self._closed:
            raise InternalError("this storage was closed; open a new one")
        if asyncio.get_running_loop() is not self._loop:
            raise InternalError("this storage was opened in another event loop; open one in each loop")
        return script_named(script) if isinstance(script, str) else script

    async def _run(self, command: bytes, script: Script, keys: Sequence[str | bytes], args: Sequence[Part]) -> Any:
        for _ in range(_LOADS):
            try:
                return await self.transport.request(command, script.sha, len(keys), *keys, *args)
            except ServerRefusal as refusal:
                if refusal.code != "NOSCRIPT":
                    raise
                await self._load(script, refusal.by or self.transport)
        return await self.transport.request(command, script.sha, len(keys), *keys, *args)

    async def _once(
        self, session: Session, slot: Slot, script: Script, keys: Sequence[str | bytes], args: Sequence[Part]
    ) -> Any:
        """Run a script in a slot of the session, which the call gives back in the end."""
        try:
            reply = await self._until_known(once(script), session.keys(keys), session.arguments(args, slot), slot)
            return first_reply(reply)
        finally:
            session.end(slot)

    async def _until_known(self, script: Script, keys: Sequence[str | bytes], args: Sequence[Part], slot: Slot) -> Any:
        """Send a call until its outcome is known; what certainly had no effect is known, and raised."""
        lost: ReplyLost | None = None
        pauses: Iterator[float] | None = None
        while True:
            try:
                return await self._run(b"EVALSHA", script, keys, args)
            except TransportError as error:
                last = error
            if isinstance(last, ReplyLost):
                lost = last
            pauses = pauses or self._retry.pauses()
            hopeless = self._closed or (not _may_pass(last) if lost is None else _is_final(last))
            if hopeless or (pause := next(pauses, None)) is None:
                slot.outcome_unknown = lost is not None
                raise lost or last
            await asyncio.sleep(pause)

    async def _load(self, script: Script, server: Transport | Router) -> None:
        try:
            await server.request(b"SCRIPT", b"LOAD", script.text)
        except ReplyLost as error:
            raise NotLoaded(str(error)) from error.__cause__


async def connect(
    url: str | None = None,
    namespace: str | None = None,
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    reply_timeout: float = REPLY_TIMEOUT,
    max_requests: int = MAX_REQUESTS,
    retry: RetryPolicy | None = None,
) -> Connection:
    """Reach the server that a URL names, starting it if it is an embedded one, and check that it is supported.

    Without a URL that of REDIS_MOB_URL is used, else `embedded:`. Timeouts are in seconds. A connection to a Cluster
    is for one namespace, which has to be named.
    Raises ValidationError for a bad URL or name, InternalError for a Cluster without a namespace,
    StorageUnavailableError if the server cannot be reached, started or used.
    """
    address, embedded = parse_address(storage_url(url)), None
    if isinstance(address, MemoryAddress):
        raise ValidationError(f"storage URL {address.url!r}: it names no server that could be reached")
    if isinstance(address, EmbeddedAddress):
        embedded = await EmbeddedServer.start(address.directory)
        address = embedded.address
    transport = Router(
        _locator(address, namespace),
        partial(Transport, connect_timeout=connect_timeout, reply_timeout=reply_timeout, max_requests=max_requests),
    )
    try:
        server = await _supported_server(address, transport)
    except BaseException:
        await _close(transport, embedded)
        raise
    return Connection(address, namespace, transport, server, embedded, retry or RetryPolicy())


def _locator(address: ServiceAddress, namespace: str | None) -> Locator:
    if isinstance(address, SentinelAddress):
        return SentinelLocator(address)
    if not isinstance(address, ClusterAddress):
        return FixedLocator(address)
    if namespace is None:
        raise InternalError(f"{address} has many servers: name the namespace, as in connect(url, namespace)")
    return ClusterLocator(address, namespace)


async def _supported_server(address: ServiceAddress, transport: Router) -> ServerInfo:
    try:
        server = ServerInfo.parse(await transport.request(b"INFO", b"server"))
    except TransportError as error:
        raise StorageUnavailableError(f"cannot use {address}: {_explained(error)}") from _cause(error)
    if problem := server.problem(in_cluster=isinstance(address, ClusterAddress)):
        raise StorageUnavailableError(f"cannot use {address}: {problem}")
    return server


async def _close(transport: Router, embedded: EmbeddedServer | None) -> None:
    try:
        await transport.aclose()
    finally:
        if embedded is not None:
            await embedded.aclose()


def _is_final(error: TransportError) -> bool:
    """Whether the same read would hardly end otherwise a moment later."""
    return isinstance(error, GivenUp) or (isinstance(error, ServerRefusal) and not is_transient(error.code))


def _may_pass(error: TransportError) -> bool:
    """Whether a call that certainly had no effect is worth sending again."""
    if isinstance(error, ServerRefusal):
        return is_transient(error.code)
    return isinstance(error, ReplyLost | NotLoaded)


def _explained(error: TransportError) -> str:
    if isinstance(error, GivenUp):
        return f"{_explained(error.last)}; given up after several attempts"
    return explain(error.code, error.text) if isinstance(error, ServerRefusal) else str(error)


def _cause(error: TransportError) -> BaseException:
    return error.__cause__ or error
