"""Opens a storage's server and runs scripts on it; the driver's exceptions end here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from copy import copy
from functools import partial
from typing import Any

from redis_mob.connection.calls.answers import CUT_SHORT, HALF_DONE, NOTHING_DONE, half_done_message, reply_in
from redis_mob.connection.calls.calls import Calls
from redis_mob.connection.calls.causes import cause_of, doubt_of, explained, is_unknown_command
from redis_mob.connection.calls.damage import damage_in
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.durability_wait import DurabilityWait, required_wait
from redis_mob.connection.calls.evalsha import Arguments, KeyNames
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.locators import locator_of
from redis_mob.connection.calls.payloads import Payloads
from redis_mob.connection.calls.rights import missing_rights
from redis_mob.connection.calls.run_keys import first_run_of
from redis_mob.connection.calls.scripts import Script
from redis_mob.connection.calls.scripts import script as script_named
from redis_mob.connection.calls.sessions import Sessions, WriteOutcome
from redis_mob.connection.calls.tokens import TokenKey
from redis_mob.connection.failures import (
    EpochMismatchError,
    HalfDoneError,
    InDoubtError,
    NotDurableError,
    ServerRefusalError,
    TransportError,
    UnreadableReceiptError,
)
from redis_mob.connection.retry import RetryPolicy, policy_of
from redis_mob.connection.servers.address import (
    ClusterAddress,
    EmbeddedAddress,
    MemoryAddress,
    ServiceAddress,
)
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.router import Router
from redis_mob.connection.servers.server_info import ServerInfo
from redis_mob.connection.servers.url import parse_address, storage_url
from redis_mob.errors import (
    DurabilityError,
    EpochChangedError,
    InternalError,
    NotFoundError,
    OutcomeUnknownError,
    ReadFailedError,
    SerializationError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
    shortened,
    shown,
)
from redis_mob.version import INITIAL_SCHEMA, NAMESPACE_SCHEMA

_CUT_SHORT = -2
"""What calls/resolve answers for a receipt that was cut short."""

_TOKEN_KEY = re.compile(rb"[0-9a-f]{64}")

_NO_READING = (
    "it knows no EVALSHA_RO, which every read needs: use Redis 7.0, Valkey 7.2 or later, with no proxy before it"
)

MAX_REQUESTS = 1000


class Client:
    """A server that scripts run on, for one event loop; `connect` makes it.

    `url` is how other processes of this user reach the same server, password included; the rest shows no password.
    `server` says what runs there. In a Cluster, requests go to the node that holds the namespace at that time.
    `has_namespace` is False if the namespace was not there when it was opened, and was not to be created.
    `payload_settings` says how it stores payloads; empty if as they are, as it always did.
    """

    def __init__(
        self,
        address: ServiceAddress,
        named: object,
        sessions: Sessions | None,
        calls: Calls,
        router: Router,
        server: ServerInfo,
        durability: str,
        waited_for: Durability,
    ) -> None:
        self.url = address.url
        self.server = server
        self.router = router
        self.has_namespace = True
        self.payloads: Payloads | None = None
        self.payload_settings = b""
        self._address = address
        self._named = named
        self._sessions = sessions
        self._calls = calls
        self._durability = durability
        self._waited_for = waited_for
        self._resources = AsyncExitStack()
        self._loop = asyncio.get_running_loop()

    def coding(self, payloads: Payloads) -> Client:
        """The same client for stores whose calls carry payloads; both are closed together."""
        other = copy(self)
        other.payloads = payloads
        return other

    @property
    def _name(self) -> str:
        return shortened(self._named)  # an embedded server says when it has ended

    def __repr__(self) -> str:
        return f"Client({self._name!r})"

    async def call(self, script: Script | str, keys: KeyNames, args: Arguments | NamedArguments = ()) -> Any:
        """Run a script that may write, at most once, and return its raw reply: bytes, int, None or a list of these.

        Arguments come in the order of the script, or by name; keys in the order of the script.
        While the server cannot be reached, or its reply is lost, it is sent again for a while (a connection for no
        namespace sends nothing again whose reply was lost); the server then gives the first reply, if there was one.
        Raises WriteFailedError if it had no effect because it could not be sent or the server refused it,
        OutcomeUnknownError if nothing could be learned in time, or if it happened in part, DurabilityError if it
        happened and is not safe enough, EpochChangedError if it did not happen because the server has lost what it had
        acknowledged before.
        """
        script, arguments = self._ready(script, keys, args)
        if not self.has_namespace and self._sessions is not None:
            raise NotFoundError(f"namespace {shown(self._sessions.namespace)} does not exist on {self._name}")
        try:
            if self.payloads is None:
                return await self._calls.write(script, keys, arguments)
            coded = await self.payloads.coded(first_run_of(keys), arguments)
            return await self.payloads.read(await self._calls.write(script, keys, coded))
        except InDoubtError as error:
            raise OutcomeUnknownError(
                f"{script.name} on {self._name}: {doubt_of(error)}; it may or may not have happened", error.token
            ) from error.__cause__
        except HalfDoneError as error:
            raise OutcomeUnknownError(
                f"{script.name} on {self._name}: {half_done_message(str(error))}", error.token
            ) from cause_of(error)
        except NotDurableError as error:
            raise DurabilityError(self._durability, error.reached) from error.__cause__
        except EpochMismatchError as error:
            raise EpochChangedError(
                f"{script.name} on {self._name}: not done, for the server has lost writes that it had acknowledged: "
                "read again what you rely on"
            ) from error.__cause__
        except TransportError as error:
            if (damage := await self._damage_in(error, keys)) is not None:
                raise damage from cause_of(error)
            raise WriteFailedError(f"{script.name} on {self._name}: {explained(error)}") from cause_of(error)

    async def read(self, script: Script | str, keys: KeyNames, args: Arguments | NamedArguments = ()) -> Any:
        """Run a script that only reads, and return its raw reply; it is tried again as a write is.

        Raises ReadFailedError if no attempt got a reply, or the server refused.
        """
        script, arguments = self._ready(script, keys, args)
        try:
            reply = await self._calls.read(script, keys, arguments)
            return reply if self.payloads is None else await self.payloads.read(reply)
        except TransportError as error:
            if (damage := await self._damage_in(error, keys)) is not None:
                raise damage from cause_of(error)
            raise ReadFailedError(f"{script.name} on {self._name}: {explained(error)}") from cause_of(error)

    async def unnumbered(self, what: str, call: Callable[[Calls], Awaitable[Any]]) -> Any:
        """Make a call that has no session, and may happen twice. Raises WriteFailedError without an answer."""
        self.check_usable()
        try:
            return await call(self._calls)
        except TransportError as error:
            raise WriteFailedError(f"{what} on {self._name}: {explained(error)}") from cause_of(error)

    async def _damage_in(self, error: TransportError, keys: KeyNames) -> SerializationError | None:
        try:
            # `meta` is looked at too, because the session around a call reads it also where the call does not take it
            own = () if self._sessions is None else (Keys(self._sessions.namespace).meta,)
            return await damage_in(error, [*keys, *own], self._calls.ask)
        except TransportError:
            return None  # so that the refusal itself is told, whose reason cannot be found out now

    async def resolve(self, token: str) -> WriteOutcome:
        """What became of the write that an OutcomeUnknownError with this token was about.

        A write that had not happened when this returns never will. Raises ValidationError for a text that is no token
        of this namespace, before anything is sent; OutcomeUnknownError if the write has happened in part, the server
        cannot be reached, or it has forgotten the session.
        """
        if self._sessions is None:
            raise InternalError(f"{self!r} is for no namespace, so that it has no writes to ask for")
        call = self._sessions.token_key.read(token)
        keys = [self._sessions.key(call.client)]
        script, arguments = self._ready("calls/resolve", keys, [call.slot, call.sequence])
        try:
            # without a session, since a second fence changes nothing: a lost reply does not matter here
            code, *receipt = await self._calls.repeatable(script, keys, arguments)
        except TransportError as error:
            is_no_hash = isinstance(error, ServerRefusalError) and "WRONGTYPE" in str(error)
            reason = f"{keys[0]} is damaged: it is no hash" if is_no_hash else explained(error)
            raise OutcomeUnknownError(f"{script.name} on {self._name}: {reason}", token) from cause_of(error)
        if code == _CUT_SHORT:
            raise self._unreadable(keys[0], token)
        if code < 0:
            raise OutcomeUnknownError(
                f"{self._name} knows nothing of the write: its session is over, or its first call never came", token
            )
        try:
            reply = reply_in(receipt[0]) if receipt else None
        except UnreadableReceiptError as error:
            raise self._unreadable(keys[0], token) from error.__cause__
        if isinstance(reply, ServerRefusalError):
            if reply.code == HALF_DONE:
                raise OutcomeUnknownError(f"the write on {self._name}: {half_done_message(reply.text)}", token)
            if reply.code != NOTHING_DONE:  # no end of a call leaves another error
                raise self._unreadable(keys[0], token)
            return WriteOutcome(False)
        return WriteOutcome(bool(receipt), reply if self.payloads is None else await self.payloads.read(reply))

    def _unreadable(self, session: str, token: str) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"{self._name} cannot tell what became of the write: {session} is damaged: {CUT_SHORT}", token
        )

    async def open_namespace(self, namespace: str, *, create: bool = True) -> Keys:
        """The keys of a namespace, which is created if it does not exist; without `create` it is left as it is then,
        and each call that may write raises NotFoundError.

        Raises ValidationError for a bad name, InternalError for another one than the connection was made for,
        StorageUnavailableError if the user lacks a right that the namespace needs, a newer version of redis_mob wrote
        it, or it cannot be created, SerializationError if its version cannot be read.
        """
        keys = Keys(namespace)
        if self._sessions is not None and self._sessions.namespace != namespace:
            raise InternalError(
                f"{self!r} is for namespace {shown(self._sessions.namespace)}: connect again for {shown(namespace)}"
            )
        await self._check_rights(namespace)
        try:
            if not create and not await self.read("calls/namespace_exists", keys.fixed):
                self.has_namespace = False
                return keys
            version, epoch, token_key, self.payload_settings = await self.call(
                "calls/open_namespace", keys.fixed, [INITIAL_SCHEMA, TokenKey.generate().stored]
            )
        except (ReadFailedError, WriteFailedError, DurabilityError, EpochChangedError) as error:
            raise StorageUnavailableError(f"cannot open namespace {shown(namespace)}: {error}") from error.__cause__
        try:
            schema = int(version)
        except ValueError as error:
            raise SerializationError(f"{keys.meta} has the unreadable schema version {shown(version)}") from error
        if schema > NAMESPACE_SCHEMA:
            raise StorageUnavailableError(
                f"namespace {shown(namespace)} on {self._name} has schema version {schema}, written by a newer "
                f"redis_mob; this one reads up to version {NAMESPACE_SCHEMA}: upgrade it, or use another namespace"
            )
        if self._sessions is not None:
            if not epoch.isdigit() or _TOKEN_KEY.fullmatch(token_key) is None:
                raise SerializationError(f"{keys.meta} is damaged: its epoch or its key of tokens cannot be read")
            self._sessions.epoch, self._sessions.token_key = int(epoch), TokenKey(token_key)
        return keys

    async def _check_rights(self, namespace: str) -> None:
        """Raise StorageUnavailableError if the user may not do all that is needed in a namespace.

        A script that a missing right ends half-way cannot be undone, so that they are looked at before the first write.
        """
        try:
            missing = await missing_rights(self._calls.read, self._address, namespace, self._waited_for)
        except TransportError as error:
            reason = f"{_NO_READING} ({error})" if is_unknown_command(error) else explained(error)
            raise StorageUnavailableError(f"cannot use {self._name}: {reason}") from cause_of(error)
        if missing:
            names = ", ".join(dict.fromkeys(missing))
            raise StorageUnavailableError(
                f"cannot use {self._name}: its user lacks rights that namespace {shown(namespace)} needs: {names}; "
                f"`redis-mob acl --namespace {namespace}` prints the rule that suffices"
            )

    def close_first(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have this closed by `aclose`, before the connections that it uses."""
        self._resources.push_async_callback(callback)

    async def aclose(self) -> None:
        """Close all connections, and end the embedded server if this process owns it. Calling it again does nothing.

        Raises InternalError in another event loop than the one that it was opened in, and closes nothing then: what a
        loop has opened only that loop can close.
        """
        if asyncio.get_running_loop() is not self._loop:
            if self._calls.closed:
                return
            raise InternalError("this storage was opened in another event loop; close it there")
        # first of all, because calls in a pause would begin another attempt on connections that are being closed
        self._calls.closed = True
        await self._resources.aclose()

    def check_usable(self) -> None:
        """Raises InternalError if this was closed, or belongs to another event loop."""
        if self._calls.closed:
            raise InternalError("this storage was closed; open a new one")
        if asyncio.get_running_loop() is not self._loop:
            raise InternalError("this storage was opened in another event loop; open one in each loop")

    def _ready(
        self, script: Script | str, keys: KeyNames, args: Arguments | NamedArguments
    ) -> tuple[Script, Arguments]:
        """The script and its arguments in order, once it is clear that the call can be made."""
        self.check_usable()
        known = script_named(script) if isinstance(script, str) else script
        header = known.header
        if not header.takes(len(keys)):
            raise InternalError(
                f"{known.name}.lua has {len(known.keys)} keys, not {len(keys)}: {', '.join(known.keys) or 'none'}"
            )
        return known, header.arguments(known.name, args) if isinstance(args, dict) else args


async def connect(
    url: str | None = None,
    namespace: str | None = None,
    *,
    max_requests: int = MAX_REQUESTS,
    durability: str = "memory",
    retry: RetryPolicy | None = None,
) -> Client:
    """Reach the server that a URL names, starting it if it is an embedded one, and check that it is supported.

    Without a URL that of REDIS_MOB_URL is used, else `embedded:`. `retry` bounds each request of the opening as it
    bounds calls, and what passes is waited for: a connection that is cut, a server that loads its data or is busy, a
    failover under way. What does not pass fails at once: no server at the address when it is first tried, a wrong
    password, certificate or protocol. Nothing is left open when this raises. A connection to a Cluster is for one
    namespace, which has to be named; only one for a namespace knows another durability than `memory`.
    Raises ValidationError for a bad URL or name, InternalError for a Cluster without a namespace,
    StorageUnavailableError if the server cannot be reached, started or used.
    """
    named = address = parse_address(storage_url(url))
    wanted = Durability.parse(durability)
    retry = policy_of(retry)
    sessions = None if namespace is None else Sessions(namespace, retry.longest_call)
    if isinstance(address, MemoryAddress):
        raise ValidationError(f"storage URL {shown(address.url)}: it names no server that could be reached")
    # What was opened is closed if anything below fails or is cancelled: an embedded server would outlive the storage
    # that was never opened. It ends after the connections, or each of them would look lost.
    async with AsyncExitStack() as resources:
        if isinstance(address, EmbeddedAddress):
            from redis_mob.connection.embedded.server import EmbeddedServer

            named = await EmbeddedServer.start(address.directory)
            resources.push_async_callback(named.aclose)
            address = named.address
        channel_to = partial(
            Channel,
            connect_timeout=retry.connect_timeout,
            reply_timeout=retry.reply_timeout,
            max_requests=max_requests,
            retry=retry,
        )
        router = Router(locator_of(address, namespace), channel_to)
        resources.push_async_callback(router.aclose)
        calls = Calls(router, retry, sessions)
        try:
            server = await _supported_server(address, calls)
            waited_for = await required_wait(server, wanted, calls.ask)
        except TransportError as error:
            raise StorageUnavailableError(f"cannot use {shortened(address)}: {explained(error)}") from cause_of(error)
        # only with sessions, because it is their receipts that the server shows before it waits
        if sessions is not None and waited_for.is_waited_for:
            # closed before the router, because it would otherwise open another connection on a router that is closing
            calls.confirmations = DurabilityWait(router, sessions, waited_for, retry.reply_timeout)
            resources.push_async_callback(calls.confirmations.aclose)
        client = Client(address, named, sessions, calls, router, server, durability, waited_for)
        client.close_first(resources.pop_all().aclose)
        return client


async def _supported_server(address: ServiceAddress, calls: Calls) -> ServerInfo:
    server = ServerInfo.parse(await calls.ask_first(b"INFO", b"server"))
    if problem := server.problem(in_cluster=isinstance(address, ClusterAddress)):
        raise StorageUnavailableError(f"cannot use {shortened(address)}: {problem}")
    return server
