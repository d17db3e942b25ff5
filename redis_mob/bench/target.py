"""Where scenarios work: each in a namespace of its own, all of which are removed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.failures import TransportError
from redis_mob.connection.servers.address import ClusterAddress, MemoryAddress, TcpAddress, UnixAddress
from redis_mob.connection.servers.url import parse_address, storage_url
from redis_mob.errors import StorageUnavailableError
from redis_mob.storage import MobStorage

_PAGE = 1000


class LeftOutError(Exception):
    """A scenario that cannot be measured here; its text says why. `set_up` raises it, and the report tells it."""


class Target:
    """An empty namespace for one scenario.

    `storage` has it open. `connection` is another way to the same server, for what the stores do not do; it is None for
    `memory:`, which has no server. `key` names keys that are removed with the namespace.
    """

    def __init__(self, storage: MobStorage, connection: Client | None) -> None:
        self.storage = storage
        self.connection = connection

    @property
    def url(self) -> str:
        """How other processes of this user reach the server; it may hold a password."""
        return self.storage.url

    @property
    def namespace(self) -> str:
        return self.storage.namespace

    def key(self, name: str) -> str:
        """The key of this name, in the hash slot of the namespace."""
        return f"{_prefix(self.namespace)}baseline:{name}"


class Place:
    """A server, or memory, and the namespaces that a benchmark has made there."""

    def __init__(self, url: str, prefix: str, durability: str, client: Client | None) -> None:
        self.url = url
        self.server = "memory" if client is None else str(client.server)
        self._prefix = prefix
        self._durability = durability
        self._client = client
        self._made: list[str] = []

    @asynccontextmanager
    async def target(self) -> AsyncGenerator[Target]:
        """A new namespace, open until the block ends."""
        namespace = f"{self._prefix}/{len(self._made)}"
        self._made.append(namespace)
        async with MobStorage.open(self.url, namespace=namespace, durability=self._durability) as storage:
            if self._client is None:
                yield Target(storage, None)
                return
            connection = await connect(self.url, namespace)
            try:
                yield Target(storage, connection)
            finally:
                await connection.aclose()

    async def clear(self) -> None:
        """Remove all namespaces that were made. None of them may be open.

        Raises StorageUnavailableError, which says what is left, if the server cannot be reached or refuses.
        """
        if self._client is None or not self._made:
            return
        try:
            if not isinstance(parse_address(self.url), ClusterAddress):
                await _remove(self._client, self._prefix)
            else:  # each of them is on a node of its own
                for namespace in self._made:
                    client = await connect(self.url, namespace)
                    try:
                        await _remove(client, namespace)
                    finally:
                        await client.aclose()
        except (TransportError, StorageUnavailableError) as error:
            raise StorageUnavailableError(
                f"keys that begin with {{rm:{self._prefix}/ are left on the server: {error}"
            ) from error.__cause__
        self._made.clear()

    async def check_rights(self) -> None:
        """Raise StorageUnavailableError, before anything is written, if what is made could not be removed again."""
        if self._client is None:
            return
        try:
            await _remove(self._client, self._prefix)
            await self._client.router.request(b"UNLINK", f"{_prefix(self._prefix)}none")
        except TransportError as error:
            raise StorageUnavailableError(
                f"a benchmark needs a user who may SCAN and UNLINK, to remove its namespaces: {error}"
            ) from error.__cause__


@asynccontextmanager
async def place(url: str | None, durability: str = "memory") -> AsyncGenerator[Place]:
    """Reach the server of a URL, and remove in the end what was made there, also after an error or a cancellation.

    Raises as MobStorage.open does.
    """
    prefix = f"bench-{uuid4().hex[:8]}"
    address = parse_address(storage_url(url))
    async with AsyncExitStack() as resources:
        if isinstance(address, MemoryAddress):
            yield Place(address.url, prefix, durability, None)
            return
        client = await connect(url, prefix)
        resources.push_async_callback(client.aclose)
        made = Place(client.url, prefix, durability, client)
        await made.check_rights()
        try:
            yield made
        except BaseException as failure:
            await _clear_after(made, failure)
            raise
        await made.clear()


async def _clear_after(made: Place, failure: BaseException) -> None:
    """Remove what is left; that it could not be removed is told with the failure that came first."""
    try:
        await asyncio.shield(made.clear())
    except StorageUnavailableError as error:
        failure.add_note(str(error))


@asynccontextmanager
async def without_namespace(url: str) -> AsyncGenerator[Client]:
    """Our own way to the server, without a session. Raises LeftOutError where there is none."""
    if isinstance(parse_address(url), MemoryAddress | ClusterAddress):
        raise LeftOutError("it is measured on a single server, or behind Sentinels")
    connection = await connect(url)
    try:
        yield connection
    finally:
        await connection.aclose()


@asynccontextmanager
async def redis_py(url: str) -> AsyncGenerator[Any]:
    """redis-py's asyncio client, with its defaults. Raises LeftOutError for other servers than single ones."""
    address = parse_address(url)
    if not isinstance(address, TcpAddress | UnixAddress):
        raise LeftOutError("redis-py is measured on a single server")
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.credentials.user,
        "password": address.credentials.password,
    }
    if isinstance(address, UnixAddress):
        options["unix_socket_path"] = address.path
    else:
        options |= {"host": address.host, "port": address.port}
        if (tls := address.tls) is not None:
            options |= {"ssl": True, "ssl_ca_certs": tls.ca, "ssl_certfile": tls.cert, "ssl_keyfile": tls.key}
    async with Redis(**options) as client:
        yield client


def _prefix(namespace: str) -> str:
    """How the keys of a namespace begin."""
    return Keys(namespace).meta.removesuffix("meta")


async def _remove(client: Client, name: str) -> None:
    """Remove the namespace of this name, and those whose names begin with it and a slash."""
    # asked for by SCAN, which holds up no other client, however many keys the server has
    beginning = _prefix(name).rstrip(":").rstrip("}")
    for pattern in (f"{beginning}}}:*", f"{beginning}/*"):
        cursor = b"0"
        while True:
            cursor, keys = await client.router.request(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _PAGE)
            if keys:
                await client.router.request(b"UNLINK", *keys)
            if cursor == b"0":
                break
