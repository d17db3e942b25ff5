"""Encrypted connections to all topologies, and certificates that one side does not accept."""

# pyright: reportPrivateUsage=false
# Tests look at the sockets below a channel and a dedicated connection.

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from redis.exceptions import RedisError

from redis_mob import MobStorage, RetryPolicy
from redis_mob.connection.calls.client import connect
from redis_mob.connection.failures import NotSentError, ReplyLostError, UnreachableError
from redis_mob.connection.servers.address import TcpAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import ReadFailedError, StorageUnavailableError, ValidationError, WriteFailedError
from redis_mob.notifications import subscription
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.servers.node import HOST, Node
from redis_mob.testing.servers.sentinel import run_sentinels
from redis_mob.testing.waiting import until
from tests.support.every_store import use_every_store
from tests.support.servers import redis7_program
from tests.support.tls import Authority, Certificate, Encryption, options, run_tls_cluster, run_tls_server

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

SOON = RetryPolicy(deadline=1, base=0.02, cap=0.02)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that issued the certificates of the servers."""
    return Authority(tmp_path_factory.mktemp("trusted"), "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no client trusts."""
    return Authority(tmp_path_factory.mktemp("strange"), "ca")


@pytest.fixture(scope="module")
def encryption(authority: Authority) -> Encryption:
    """What most of the servers here use."""
    return Encryption(authority, authority.issue("server"))


@pytest.fixture(scope="module")
def node(encryption: Encryption) -> Iterator[Node]:
    """A single server."""
    with run_tls_server(encryption) as running:
        yield running


@pytest.fixture(scope="module")
def url(node: Node, authority: Authority) -> str:
    """The URL under which it can be used."""
    return f"rediss://{HOST}:{node.port}/0{options(ca=authority.ca)}"


def address_of(url: str) -> TcpAddress:
    """What a URL of one server says."""
    address = parse_address(url)
    assert isinstance(address, TcpAddress)
    return address


@pytest.fixture
async def transport(url: str) -> AsyncIterator[Channel]:
    """The way to the single server."""
    opened = Channel(address_of(url), connect_timeout=5, reply_timeout=20, max_requests=1000)
    yield opened
    await opened.aclose()


async def test_every_store_works(url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "SWEEP_SECONDS", 3600.0)
    async with (
        MobStorage.open(url, namespace=namespace) as storage,
        MobStorage.open(storage.url, namespace=namespace) as another,
    ):
        assert storage.url == url
        await use_every_store(storage, another)


async def test_a_server_that_asks_for_a_certificate_gets_ours(authority: Authority, encryption: Encryption) -> None:
    ours = authority.issue("ours")
    with run_tls_server(Encryption(authority, encryption.certificate, ours)) as strict:
        files = options(ca=authority.ca, cert=ours.cert, key=ours.key)
        connection = await connect(f"rediss://{HOST}:{strict.port}{files}")
        assert await connection.router.request("PING") == b"PONG"
        await connection.aclose()


async def test_a_certificate_and_its_key_may_be_in_one_file(authority: Authority, encryption: Encryption) -> None:
    ours = authority.issue("combined")
    ours.cert.write_bytes(ours.cert.read_bytes() + ours.key.read_bytes())
    with run_tls_server(Encryption(authority, encryption.certificate, ours)) as strict:
        await (await connect(f"rediss://{HOST}:{strict.port}{options(ca=authority.ca, cert=ours.cert)}")).aclose()


async def test_a_server_that_the_system_does_not_trust_is_refused_at_once(node: Node) -> None:
    refused = await _refused_once(node, f"rediss://{HOST}:{node.port}")
    assert f"the certificate of {HOST}:{node.port} was issued by an authority that is not trusted" in refused
    assert "?ca=" in refused


async def test_only_a_server_that_the_ca_names_is_trusted(
    node: Node, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    await (await connect(f"rediss://{HOST}:{node.port}")).aclose()
    refused = await _refused_once(node, f"rediss://{HOST}:{node.port}{options(ca=stranger.ca)}")
    assert f"the certificate of {HOST}:{node.port} was issued by an authority that is not trusted" in refused


async def test_a_server_that_is_not_trusted_is_not_taken_for_one_that_is_away(node: Node, stranger: Authority) -> None:
    address = address_of(f"rediss://{HOST}:{node.port}{options(ca=stranger.ca)}")
    transport = Channel(address, connect_timeout=5, reply_timeout=5, max_requests=1)
    for failing in (transport.request("PING"), transport.dedicated_connection()):
        with pytest.raises(NotSentError, match="was issued by an authority that is not trusted") as refused:
            await failing
        assert not isinstance(refused.value, UnreachableError)
    await transport.aclose()


async def test_a_certificate_for_another_host_is_refused_at_once(node: Node, url: str) -> None:
    refused = await _refused_once(node, url.replace(HOST, "localhost"))
    assert f"the certificate of localhost:{node.port} was issued for other hosts" in refused


async def test_an_expired_certificate_is_refused_at_once(authority: Authority) -> None:
    with run_tls_server(Encryption(authority, authority.issue("expired", days=0))) as node:
        refused = await _refused_once(node, f"rediss://{HOST}:{node.port}{options(ca=authority.ca)}")
        assert f"the certificate of {HOST}:{node.port} has expired: renew it" in refused


Give: TypeAlias = Callable[[Authority, Authority], Certificate | None]
"""Makes our certificate, given the authority that the server trusts and a stranger."""

NOT_ACCEPTED: Sequence[tuple[Give, str]] = (
    (lambda _authority, _stranger: None, "asks for a certificate of ours: give one, as in"),
    (lambda _, stranger: stranger.issue("strange"), "does not accept the certificate that we gave"),
    (lambda authority, _: authority.issue("old", days=0), "does not accept the certificate that we gave"),
)


@pytest.mark.parametrize(("given", "reason"), NOT_ACCEPTED, ids=["none", "of a stranger", "expired"])
@pytest.mark.parametrize("login", ["", "user:password@"])
@pytest.mark.parametrize("database", [0, 3])
async def test_a_server_that_does_not_accept_our_certificate_is_left_alone(
    authority: Authority,
    stranger: Authority,
    encryption: Encryption,
    given: Give,
    reason: str,
    login: str,
    database: int,
) -> None:
    ours = given(authority, stranger)
    files = options(ca=authority.ca, cert=ours.cert, key=ours.key) if ours else options(ca=authority.ca)
    with run_tls_server(Encryption(authority, encryption.certificate, authority.issue("accepted"))) as strict:
        refused = await _refused_once(strict, f"rediss://{login}{HOST}:{strict.port}/{database}{files}")
    assert f"{HOST}:{strict.port} {reason}" in refused


async def test_a_server_that_speaks_something_else_is_refused(authority: Authority) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR speak up\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StorageUnavailableError, match=rf"{port} does not speak TLS on this port"):
            await connect(f"rediss://{HOST}:{port}{options(ca=authority.ca)}")


async def test_a_server_that_does_not_answer_may_not_speak_tls(authority: Authority) -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StorageUnavailableError, match=rf"{port} did not answer within 0\.1 s: does it speak TLS"):
            await connect(f"rediss://{HOST}:{port}{options(ca=authority.ca)}", retry=RetryPolicy(connect_timeout=0.1))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"ca": "no.pem"}, "ca={0}/no.pem: cannot be read (No such file or directory)"),
        ({"ca": "."}, "ca={0}/.: cannot be read (Is a directory)"),
        ({"ca": "empty"}, "ca={0}/empty: holds no certificates in PEM form"),
        ({"ca": "one.key"}, "ca={0}/one.key: holds no certificates in PEM form"),
        ({"cert": "no.pem", "key": "one.key"}, "cert={0}/no.pem: cannot be read"),
        ({"cert": "one.pem", "key": "no.key"}, "key={0}/no.key: cannot be read"),
        ({"cert": "one.pem"}, "cert={0}/one.pem, key={0}/one.pem: are no certificate in PEM form with the unencrypted"),
        ({"cert": "one.pem", "key": "two.key"}, "key={0}/two.key: are no certificate in PEM form with the unencrypted"),
        ({"cert": "locked.pem", "key": "locked.key"}, "key={0}/locked.key: are no certificate in PEM form with the un"),
        ({"key": "one.key"}, "key: is of no use without cert"),
    ],
)
@pytest.mark.parametrize("scheme", ["rediss://{}", "rediss+cluster://{}", "rediss+sentinel://{}/jobs"])
async def test_files_that_are_of_no_use_are_named_before_anybody_is_asked(
    tmp_path: Path, stranger: Authority, files: dict[str, str], reason: str, scheme: str
) -> None:
    (tmp_path / "empty").touch()
    for name, password in (("one", None), ("two", None), ("locked", "pw")):
        issued = stranger.issue(name, password=password)
        shutil.copy(issued.cert, tmp_path)
        shutil.copy(issued.key, tmp_path)
    place = scheme.format("no-such-host.invalid")
    with pytest.raises(ValidationError) as refused:
        await MobStorage.open(f"{place}{options(**{name: f'{tmp_path}/{file}' for name, file in files.items()})}")
    assert f"storage URL '{place}?***': " in str(refused.value)
    assert reason.format(tmp_path) in str(refused.value)


async def test_renewed_certificates_count_without_a_restart(tmp_path: Path, namespace: str) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    issued = old.issue("server")
    ca = tmp_path / "ca.pem"
    shutil.copy(old.ca, ca)
    with run_tls_server(Encryption(old, issued)) as node:
        url = f"rediss://{HOST}:{node.port}{options(ca=ca)}"
        async with MobStorage.open(url, namespace=namespace, retry=SOON) as storage:
            renewed = new.issue("server")
            shutil.copy(renewed.cert, issued.cert)
            shutil.copy(renewed.key, issued.key)
            node.kill()
            node.start_again()
            with pytest.raises(ReadFailedError, match="was issued by an authority that is not trusted"):
                await storage.events.poll(0, 1)
            ca.unlink()
            with pytest.raises(WriteFailedError, match=r"ca\.pem: cannot be read"):
                await storage.specs.delete_spec("m", 1)
            shutil.copy(new.ca, ca)
            assert await storage.events.poll(0, 1) == []


async def test_big_requests_and_replies_pass(transport: Channel) -> None:
    big = bytes(range(256)) * (1 << 14)
    assert await asyncio.gather(*(transport.request("ECHO", big) for _ in range(8))) == [big] * 8


async def test_many_requests_are_answered_in_their_order(transport: Channel) -> None:
    async def one_after_the_other(caller: int) -> None:
        for number in range(20):
            text = f"{caller}-{number}-".encode() * (caller + 1)
            assert await transport.request("ECHO", text) == text

    await asyncio.gather(*(one_after_the_other(caller) for caller in range(200)))


async def test_a_server_that_does_not_read_holds_up_its_senders(node: Node, transport: Channel) -> None:
    await transport.request("PING")
    wire = transport._pipeline
    assert wire is not None
    part, calls = bytes(1 << 16), list[asyncio.Task[bytes]]()
    node.pause()
    try:
        while wire.is_writable and len(calls) < 900:
            calls.append(asyncio.create_task(transport.request("ECHO", part)))
            await asyncio.sleep(0)
        assert not wire.is_writable
        calls.append(asyncio.create_task(transport.request("ECHO", part)))
    finally:
        node.resume()
    assert await asyncio.gather(*calls) == [part] * len(calls)
    assert wire.is_writable


async def test_a_line_is_closed_without_waiting_for_the_server(node: Node, transport: Channel) -> None:
    line = await transport.dedicated_connection()
    socket = line._transport.get_extra_info("socket")
    node.pause()
    try:
        await line.aclose()
        await until(lambda: socket.fileno() == -1)
    finally:
        node.resume()


async def test_a_connection_that_is_cut_loses_the_replies_under_way(encryption: Encryption) -> None:
    with run_tls_server(encryption) as node:
        address = address_of(f"rediss://{HOST}:{node.port}{options(ca=encryption.authority.ca)}")
        transport = Channel(address, connect_timeout=5, reply_timeout=20, max_requests=100)
        await transport.request("PING")
        node.pause()
        calls = [asyncio.create_task(transport.request("ECHO", bytes(1 << 16))) for _ in range(9)]
        await asyncio.sleep(0)
        node.kill()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {ReplyLostError}
        with pytest.raises(UnreachableError):
            await transport.request("PING")
        await transport.aclose()


@pytest.fixture(scope="module")
def cluster(encryption: Encryption) -> Iterator[list[Node]]:
    """The nodes of a Redis Cluster."""
    with run_tls_cluster(encryption) as nodes:
        yield nodes


async def test_every_node_of_a_cluster_is_reached(cluster: list[Node], authority: Authority) -> None:
    before = [node.connections for node in cluster]
    for number in range(6):
        url = f"rediss+cluster://{HOST}:{cluster[0].port}{options(ca=authority.ca)}"
        async with MobStorage.open(url, namespace=f"n-{number}") as storage:
            await storage.events.append(numbered(1))
            assert storage.url == url
    assert all(node.connections > then for node, then in zip(cluster, before, strict=True))


async def test_a_cluster_that_is_not_trusted_is_refused_at_once(cluster: list[Node], stranger: Authority) -> None:
    places = ",".join(f"{HOST}:{node.port}" for node in cluster)
    refused = await _refused_once(cluster[0], f"rediss+cluster://{places}{options(ca=stranger.ca)}")
    assert f"the certificate of {HOST}:{cluster[0].port} was issued by an authority that is not trusted" in refused


async def test_a_service_of_sentinels_is_used_and_refused(
    encryption: Encryption, stranger: Authority, namespace: str
) -> None:
    with run_sentinels(encryption=encryption, program=redis7_program()) as service:
        async with MobStorage.open(service.url, namespace=namespace) as storage:
            await storage.events.append(numbered(7))
            assert storage.url == service.url
            assert [number_of(event) for event in await storage.events.replay_all()] == [7]
        untrusted = service.url.partition("?")[0] + options(ca=stranger.ca)
        refused = await _refused_once(service.sentinels[0], untrusted)
        assert (
            f"the certificate of {HOST}:{service.sentinels[0].port} was issued by an authority that is not trusted"
            in refused
        )


async def _refused_once(node: Node, url: str) -> str:
    """The error of opening a storage here, after one attempt, or a second one that learns the reason."""
    before = node.connections
    with pytest.raises(StorageUnavailableError) as refused:
        await MobStorage.open(url, namespace="n")
    assert isinstance(refused.value.__cause__, RedisError)
    assert node.connections <= before + 2
    return str(refused.value)
