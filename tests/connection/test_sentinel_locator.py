"""How a locator finds the primary, told from what Sentinels and servers might say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.connection.failures import (
    NotSentError,
    ReplyLostError,
    ServerRefusalError,
    TransportError,
    UnreachableError,
    UnsettledError,
)
from redis_mob.connection.servers import discovery as asking
from redis_mob.connection.servers import sentinel as module
from redis_mob.connection.servers.address import Credentials, SentinelAddress, TcpAddress
from redis_mob.connection.servers.locator import Again
from redis_mob.connection.servers.sentinel import SentinelLocator
from redis_mob.connection.servers.tls import Tls

LOGIN, SENTINEL_LOGIN, TLS = Credentials("me", "pw"), Credentials("guard", "pw2"), Tls("/ca")
SERVICE = SentinelAddress((("s", 1), ("s", 2)), "jobs", 4, LOGIN, SENTINEL_LOGIN, TLS)

DEAD = UnreachableError("no server listens")
UNKNOWN = None
"""What a Sentinel says that does not know the service."""


def sentinel(port: int) -> TcpAddress:
    return TcpAddress("s", port, 0, SENTINEL_LOGIN, TLS)


def server(host: str) -> TcpAddress:
    return TcpAddress(host, 6379, 4, LOGIN, TLS)


S1, S2, S3 = sentinel(1), sentinel(2), sentinel(3)
A, B = server("a"), server("b")


class Service:
    """A double of Sentinels and servers: those without an answer are dead. `asked` lists them in order of questions."""

    def __init__(self) -> None:
        self.named: dict[TcpAddress, TcpAddress | TransportError | None] = {}
        self.roles: dict[TcpAddress, bytes | TransportError] = {}
        self.others: dict[TcpAddress, list[TcpAddress] | TransportError] = {}
        self.asked: list[TcpAddress] = []
        self.silent = False

    async def ask(self, asked: TcpAddress, *parts: Any) -> Any:
        await asyncio.Future() if self.silent else await asyncio.sleep(0)
        match parts:
            case ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "jobs"):
                self.asked.append(asked)
                named = _said(self.named.get(asked, DEAD))
                return named and [named.host.encode(), str(named.port).encode()]
            case ("ROLE",):
                self.asked.append(asked)
                return [_said(self.roles.get(asked, DEAD)), b"further", b"details"]
            case ("SENTINEL", "SENTINELS", "jobs"):
                others = _said(self.others.get(asked, DEAD))
                return [[b"ip", other.host.encode(), b"port", str(other.port).encode()] for other in others]
            case _:
                raise AssertionError(parts)


def _said(answer: Any) -> Any:
    if isinstance(answer, TransportError):
        raise answer
    return answer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """Sentinels that name A, which is the primary."""
    replaced = Service()
    replaced.named = {S1: A, S2: A}
    replaced.roles = {A: b"master", B: b"slave"}
    monkeypatch.setattr(module, "ask_server", replaced.ask)
    return replaced


@pytest.fixture
def locator() -> SentinelLocator:
    return SentinelLocator(SERVICE)


async def test_many_that_look_for_the_primary_ask_once(locator: SentinelLocator, service: Service):
    assert set(await asyncio.gather(*(locator.locate() for _ in range(9)))) == {A}
    assert service.asked == [S1, A]


@pytest.mark.parametrize(
    "failure",
    [
        DEAD,
        *(ServerRefusalError(code, "elsewhere") for code in ("READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS")),
    ],
    ids=str,
)
async def test_a_server_that_cannot_serve_is_doubted(
    locator: SentinelLocator, service: Service, failure: TransportError
):
    assert await locator.locate() == A
    service.named, service.roles = {S1: B, S2: B}, {B: b"master"}
    assert locator.again(failure, A) == Again()
    assert await locator.locate() == B


@pytest.mark.parametrize(
    "failure",
    [
        ReplyLostError("cut"),
        NotSentError("cannot be packed"),
        ServerRefusalError("OOM", "full"),
        ServerRefusalError("WRONGPASS", "no"),
    ],
    ids=str,
)
async def test_other_failures_are_final(locator: SentinelLocator, service: Service, failure: TransportError):
    assert await locator.locate() == A
    assert locator.again(failure, A) is None
    assert await locator.locate() == A
    assert service.asked == [S1, A]


@pytest.mark.parametrize("behind", [b"slave", DEAD], ids=str)
async def test_a_sentinel_that_is_out_of_date_is_not_believed(locator: SentinelLocator, service: Service, behind: Any):
    service.named[S1], service.roles[B] = B, behind
    assert await locator.locate() == A
    assert service.asked == [S1, B, S2, A]


async def test_a_server_that_is_no_primary_is_not_asked_twice(locator: SentinelLocator, service: Service):
    service.roles[A] = b"slave"
    with pytest.raises(
        UnsettledError,
        match=r"no primary of .jobs. answers: a:6379, which Sentinel s:1 names as the primary, is a slave",
    ):
        await locator.locate()
    assert service.asked == [S1, A, S2]


async def test_a_primary_that_does_not_answer_may_come_back(locator: SentinelLocator, service: Service):
    del service.roles[A]
    with pytest.raises(UnsettledError, match="no primary of 'jobs' answers: no server listens"):
        await locator.locate()
    service.roles[A] = b"master"
    assert await locator.locate() == A


async def test_a_sentinel_that_does_not_answer_is_asked_last(locator: SentinelLocator, service: Service):
    service.named[S1] = DEAD
    assert await locator.locate() == A
    locator.forget()
    assert await locator.locate() == A
    assert service.asked == [S1, S2, A, S2, A]


async def test_no_sentinel_answers(locator: SentinelLocator, service: Service):
    service.named = {}
    with pytest.raises(UnreachableError, match=r"no Sentinel of 'jobs' answers: no server listens$"):
        await locator.locate()


async def test_sentinels_that_say_nothing_are_given_up(
    locator: SentinelLocator, service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asking, "LOCATE_TIMEOUT", 0.05)
    service.silent = True
    with pytest.raises(UnreachableError, match=r"no Sentinel of 'jobs' answered within 0\.05 s"):
        await locator.locate()


@pytest.mark.parametrize("other", [UNKNOWN, DEAD], ids=str)
async def test_a_service_that_no_sentinel_knows_is_a_final_error(
    locator: SentinelLocator, service: Service, other: Any
):
    service.named = {S1: UNKNOWN, S2: other}
    with pytest.raises(NotSentError, match="no Sentinel of s:1, s:2 that answers knows a service 'jobs'") as unknown:
        await locator.locate()
    assert not isinstance(unknown.value, UnreachableError)


async def test_a_service_that_one_sentinel_knows_is_found(locator: SentinelLocator, service: Service):
    service.named[S1] = UNKNOWN
    assert await locator.locate() == A


@pytest.mark.parametrize("code", ["WRONGPASS", "NOAUTH", "NOPERM"])
async def test_a_sentinel_that_refuses_says_which_login_it_means(locator: SentinelLocator, service: Service, code: str):
    service.named = {S1: DEAD, S2: ServerRefusalError(code, "no")}
    with pytest.raises(ServerRefusalError, match=r"no, says Sentinel s:2, where .*sentinel_user and sentinel_password"):
        await locator.locate()
    service.named[S1] = A
    assert await locator.locate() == A


async def test_what_the_primary_refuses_is_final(locator: SentinelLocator, service: Service):
    service.roles[A] = ServerRefusalError("WRONGPASS", "no")
    with pytest.raises(ServerRefusalError, match=r"WRONGPASS no$"):
        await locator.locate()


async def test_sentinels_that_came_later_are_asked_when_those_of_the_url_are_gone(
    locator: SentinelLocator, service: Service
):
    service.others[S1] = [S2, S3]
    assert await locator.locate() == A
    service.named = {S3: A}
    service.others[S3] = []
    locator.forget()
    assert await locator.locate() == A
    assert service.asked == [S1, A, S1, S2, S3, A]


async def test_a_sentinel_that_was_never_in_the_url_is_forgotten_when_it_is_gone(
    locator: SentinelLocator, service: Service
):
    service.others[S1] = [S2, S3]
    await locator.locate()
    service.others[S1] = [S2]
    locator.forget()
    await locator.locate()
    service.named = {}
    locator.forget()
    service.asked.clear()
    with pytest.raises(UnreachableError):
        await locator.locate()
    assert service.asked == [S1, S2]


async def test_only_sentinels_of_the_url_decide_that_there_is_no_hope(locator: SentinelLocator, service: Service):
    service.others[S1] = [S2, S3]
    await locator.locate()
    service.named = {S3: ServerRefusalError("WRONGPASS", "another login there")}
    locator.forget()
    with pytest.raises(UnreachableError, match=r"no server listens$"):
        await locator.locate()
