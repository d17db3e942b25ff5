"""Users and passwords on every topology: they are used, and wrong ones are refused at once, without showing them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from redis.exceptions import RedisError

from redis_mob import MobStorage
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.errors import OutcomeUnknownError, ReadFailedError, StorageUnavailableError, WriteFailedError
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.servers.cluster import run_cluster
from redis_mob.testing.servers.node import HOST, Node, started
from redis_mob.testing.servers.sentinel import run_sentinels

PASSWORD = "s3cr3t-pass"  # noqa: S105
SENTINEL_PASSWORD = "other-s3cr3t"  # noqa: S105


@dataclass(frozen=True)
class Guarded:
    """Servers that want PASSWORD from every client; `nodes` are all of them, and their Sentinels."""

    url: str
    nodes: list[Node]

    @contextmanager
    def asked_once(self) -> Generator[None]:
        """Within the block each server gets two connections at most; those among the servers do not count."""
        before = [node.connections for node in self.nodes]
        yield
        assert all(node.connections <= then + 2 for node, then in zip(self.nodes, before, strict=True))


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    """A single server."""
    command = [str(find_server()), "--bind", HOST, "--save", "", "--requirepass", PASSWORD]
    node = started(lambda port: Node(port, [*command, "--port", str(port)], password=PASSWORD))
    yield Guarded(f"redis://:{PASSWORD}@{HOST}:{node.port}/0", [node])
    node.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Guarded]:
    """A Redis Cluster."""
    with run_cluster(password=PASSWORD) as running:
        yield Guarded(running.url, list(running.nodes))


@pytest.fixture(scope="module")
def service() -> Iterator[Guarded]:
    """A service whose Sentinels want another password, SENTINEL_PASSWORD."""
    with run_sentinels(password=PASSWORD, sentinel_password=SENTINEL_PASSWORD) as running:
        yield Guarded(running.url, [*running.servers, *running.sentinels])


@pytest.fixture(params=["server", "cluster", "service"])
def guarded(request: pytest.FixtureRequest) -> Guarded:
    """Servers of each topology."""
    return request.getfixturevalue(request.param)


async def test_credentials_are_used_with_all_servers_and_not_shown(guarded: Guarded):
    for number in range(5):
        async with MobStorage.open(guarded.url, namespace=f"n-{number}") as storage:
            await storage.events.append(numbered(1))
            assert storage.url == guarded.url
            assert PASSWORD not in repr(storage)
            assert SENTINEL_PASSWORD not in repr(storage)


@pytest.mark.parametrize("wrong", [f":not-{PASSWORD}@", f"unknown:{PASSWORD}@"])
async def test_wrong_credentials_are_refused_at_once(guarded: Guarded, wrong: str):
    with guarded.asked_once():
        refused = await _refused(guarded.url.replace(f":{PASSWORD}@", wrong))
    assert "user name or password of this URL is wrong" in refused


async def test_missing_credentials_are_refused_at_once(guarded: Guarded):
    with guarded.asked_once():
        assert "asks for a password" in await _refused(guarded.url.replace(f":{PASSWORD}@", ""))


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (f"sentinel_password=not-{SENTINEL_PASSWORD}", "user name or password of this URL is wrong"),
        (f"sentinel_user=unknown&sentinel_password={SENTINEL_PASSWORD}", "user name or password of this URL is wrong"),
        ("", "asks for a password"),
    ],
)
async def test_sentinels_refuse_credentials_of_their_own_at_once(service: Guarded, login: str, reason: str):
    with service.asked_once():
        refused = await _refused(service.url.replace(f"sentinel_password={SENTINEL_PASSWORD}", login))
    assert reason in refused
    assert "options sentinel_user and sentinel_password" in refused


async def test_a_permission_that_is_taken_away_ends_calls_at_once(server: Guarded):
    (node,) = server.nodes
    node.do("ACL", "SETUSER", "limited", "on", f">{PASSWORD}", "~*", "&*", "+@all")
    async with MobStorage.open(server.url.replace("://", "://limited"), namespace="n") as storage:
        await storage.events.append(numbered(1))
        node.do("ACL", "SETUSER", "limited", "-evalsha", "-evalsha_ro")
        with pytest.raises(WriteFailedError, match=r"redis-mob acl.*NOPERM") as write:
            await storage.events.append(numbered(2))
        with pytest.raises(ReadFailedError, match=r"redis-mob acl.*NOPERM"):
            await storage.events.latest_cursor()
    assert not isinstance(write.value, OutcomeUnknownError)
    commands = node.do("INFO", "commandstats")
    assert commands["cmdstat_evalsha"]["rejected_calls"] == commands["cmdstat_evalsha_ro"]["rejected_calls"] == 1


async def _refused(url: str) -> str:
    with pytest.raises(StorageUnavailableError) as refused:
        await MobStorage.open(url, namespace="n")
    assert isinstance(refused.value.__cause__, RedisError)
    shown = f"{refused.value} {refused.value!r}"
    assert PASSWORD not in shown
    assert SENTINEL_PASSWORD not in shown
    return shown
