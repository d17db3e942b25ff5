"""Examines the server of a storage: every primary of a Cluster, else the one server that its URL leads to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis_mob.admin.doctor.capacity import CAPACITY_CHECKS
from redis_mob.admin.doctor.compatibility import COMPATIBILITY_CHECKS, NAMESPACE_CHECKS
from redis_mob.admin.doctor.data_safety import DATA_SAFETY_CHECKS
from redis_mob.admin.doctor.finding import Check, Finding, Severity, Verdict, error, findings
from redis_mob.admin.doctor.growth import Growth, probe_growth
from redis_mob.admin.doctor.probe import Server, probe_namespace, probe_server
from redis_mob.admin.doctor.records import RECORDS_CHECK, probe_records
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.namespace_state import NamespaceState
from redis_mob.connection.failures import TransportError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.address import Address, ClusterAddress, EmbeddedAddress, TcpAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.url import parse_address, storage_url
from redis_mob.errors import StorageUnavailableError

_MAX_REQUESTS = 100


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be said of a storage, all primaries of a Cluster one after the other. `server` shows no password.

    `growth` says how large the keys of the namespace are, and what bounds them.
    """

    server: str
    namespace: str
    durability: str
    findings: Sequence[Finding]
    growth: Growth | None = None

    def count(self, severity: Severity) -> int:
        """How many findings are that severe."""
        return sum(finding.severity is severity for finding in self.findings)


async def examine(url: str | None, namespace: str, durability: Durability) -> Examination:
    """Look for what would lose data or break with this durability; writes nothing, and creates no namespace.

    Raises ValidationError for a bad URL or name, StorageUnavailableError if the server cannot be reached or used.
    """
    Keys(namespace)  # a bad name is refused before a server is started for it
    address = parse_address(storage_url(url))
    name = address.url if isinstance(address, EmbeddedAddress) else str(address)
    client = await connect(url, namespace)
    try:
        found: list[Finding] = []
        async with _servers(address, name, client) as servers:
            for server_name, server in servers.items():
                found += await _on_server(server_name, server, address, namespace, durability)
        seen = await probe_namespace(client.router, namespace)
        found += findings(NAMESPACE_CHECKS, seen, name)
        is_restored = isinstance(seen.state, NamespaceState) and seen.state.stands == "restoring"
        if not is_restored:  # else it is not all there yet
            found += findings((RECORDS_CHECK,), await probe_records(client, namespace), name)
        growth = await probe_growth(client.router, namespace, seen.policies)
    except TransportError as failure:
        raise StorageUnavailableError(f"cannot examine {name}: {failure}") from failure.__cause__
    finally:
        await client.aclose()
    return Examination(name, namespace, str(durability), found, growth)


@asynccontextmanager
async def _servers(address: Address, name: str, client: Client) -> AsyncGenerator[dict[str, Server]]:
    """The servers to look at, by their names, until the block ends."""
    if not isinstance(address, ClusterAddress):
        yield {name: client.router}
        return
    nodes, usual = await _primaries(address, client), RetryPolicy()
    transports = {
        str(node): Channel(
            node,
            connect_timeout=usual.connect_timeout,
            reply_timeout=usual.reply_timeout,
            max_requests=_MAX_REQUESTS,
        )
        for node in nodes
    }
    try:
        yield dict(transports)
    finally:
        for transport in transports.values():
            await transport.aclose()


async def _primaries(address: ClusterAddress, client: Client) -> list[TcpAddress]:
    """All primaries that have slots; one that does not know its own host is where the first seed is."""
    ranges = await client.router.request(b"CLUSTER", b"SLOTS")
    places = {((host or b"").decode() or address.seeds[0][0], port) for _, _, (host, port, *_), *_ in ranges}
    return [address.node(host, port) for host, port in sorted(places)]


async def _on_server(
    name: str, server: Server, address: Address, namespace: str, durability: Durability
) -> Iterable[Finding]:
    try:
        seen = await probe_server(server, address, namespace, durability)
    except TransportError as failure:
        return findings((_ANSWER,), failure, name)
    return findings(_CHECKS, seen, name)


def _silence(failure: TransportError) -> Iterator[Verdict]:
    yield error(
        f"it cannot be asked: {failure}", "start it, let another server take its place, or let the user in there"
    )


_CHECKS = (*COMPATIBILITY_CHECKS, *DATA_SAFETY_CHECKS, *CAPACITY_CHECKS)
_ANSWER = Check("answer", "The namespaces that it holds cannot be used.", _silence)
