"""How a locator finds its server, told from what the nodes of a Cluster might say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.failures import (
    NotSentError,
    ReplyLostError,
    ServerRefusalError,
    TransportError,
    UnreachableError,
)
from redis_mob.connection.servers import cluster as module
from redis_mob.connection.servers import discovery as asking
from redis_mob.connection.servers.address import ClusterAddress, Credentials, TcpAddress, UnixAddress
from redis_mob.connection.servers.cluster import ClusterLocator
from redis_mob.connection.servers.locator import Again, FixedLocator
from redis_mob.errors import ValidationError
from redis_mob.testing.servers.cluster import slot_of

LOGIN = Credentials("me", "pw")
CLUSTER = ClusterAddress((("a", 1), ("b", 2)), LOGIN)

DEAD = UnreachableError("no server listens")
WRONG_PASSWORD = ServerRefusalError("WRONGPASS", "invalid username-password pair or user is disabled.")
DOWN = ServerRefusalError("CLUSTERDOWN", "The cluster is down")

SILENCE = None

NO_OWNER: list[Any] = []
"""A reply to CLUSTER SLOTS in which no slot has an owner."""


def node(host: str, port: int) -> TcpAddress:
    return TcpAddress(host, port, 0, LOGIN)


A, B, C, D = node("a", 1), node("b", 2), node("c", 3), node("d", 4)


def owned_by(owner: TcpAddress, *replicas: TcpAddress) -> list[Any]:
    """A reply to CLUSTER SLOTS in which this node has all slots."""
    return [[0, 16383, *([one.host.encode(), one.port, b"id", []] for one in (owner, *replicas))]]


class Nodes:
    """A double of the nodes: those without an answer are dead. `asked` lists them in the order of questions."""

    def __init__(self) -> None:
        self.answers: dict[TcpAddress, list[Any] | TransportError | None] = {}
        self.asked: list[TcpAddress] = []

    async def slots(self, asked: TcpAddress) -> list[Any]:
        self.asked.append(asked)
        await asyncio.sleep(0)
        answer = self.answers.get(asked, DEAD)
        if answer is SILENCE:
            return await asyncio.Future[list[Any]]()
        if isinstance(answer, TransportError):
            raise answer
        assert answer is not None
        return answer


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    replaced = Nodes()
    monkeypatch.setattr(module, "_slots", replaced.slots)
    return replaced


@pytest.fixture
def locator() -> ClusterLocator:
    return ClusterLocator(CLUSTER, Keys("n").meta)


async def test_a_fixed_server_is_always_there_and_its_failures_are_final() -> None:
    locator = FixedLocator(UnixAddress("/s"))
    for error in (DEAD, DOWN, ServerRefusalError("MOVED", "1 a:1"), ServerRefusalError("TRYAGAIN", "later")):
        assert locator.again(error, UnixAddress("/s")) is None
        locator.forget()
        assert await locator.locate() == UnixAddress("/s")


async def test_many_that_look_for_the_owner_ask_once(locator: ClusterLocator, nodes: Nodes) -> None:
    nodes.answers[A] = owned_by(C)
    assert set(await asyncio.gather(*(locator.locate() for _ in range(9)))) == {C}
    assert nodes.asked == [A]


@pytest.mark.parametrize("host", [None, b""])
async def test_a_node_without_a_host_is_where_the_one_is_that_told_of_it(
    locator: ClusterLocator, nodes: Nodes, host: bytes | None
) -> None:
    nodes.answers[B] = [[0, 16383, [host, 7, b"id", []]]]
    assert await locator.locate() == node("b", 7)


async def test_the_owner_is_that_of_the_slot_alone(locator: ClusterLocator, nodes: Nodes) -> None:
    slot = slot_of("n")
    c: list[Any] = [b"c", 3, b"id", []]
    d: list[Any] = [b"d", 4, b"id", []]
    nodes.answers[A] = [[0, slot - 1, c], [slot, slot, d], [slot + 1, 16383, c]]
    assert await locator.locate() == D


async def test_the_others_are_asked_before_one_that_did_not_answer(locator: ClusterLocator, nodes: Nodes) -> None:
    nodes.answers[B] = owned_by(C, D)
    assert await locator.locate() == C
    nodes.answers[D] = owned_by(D, C)
    locator.again(DEAD, C)
    assert await locator.locate() == D
    assert nodes.asked == [A, B, D]


@pytest.mark.parametrize("failure", [DEAD, DOWN])
async def test_a_node_that_cannot_serve_is_doubted(
    locator: ClusterLocator, nodes: Nodes, failure: TransportError
) -> None:
    nodes.answers[A] = owned_by(A)
    assert await locator.locate() == A
    nodes.answers[B] = owned_by(B)
    assert locator.again(failure, A) == Again()
    assert await locator.locate() == B


async def test_a_node_that_knows_no_owner_is_believed_only_if_no_other_does(
    locator: ClusterLocator, nodes: Nodes
) -> None:
    nodes.answers[A] = NO_OWNER
    assert await locator.locate() == A
    nodes.answers[B] = owned_by(C)
    locator.forget()
    assert await locator.locate() == C


async def test_no_node_answers(locator: ClusterLocator, nodes: Nodes) -> None:
    with pytest.raises(NotSentError, match=r"no node of the Cluster answers: no server listens$"):
        await locator.locate()
    nodes.answers[A] = WRONG_PASSWORD
    with pytest.raises(ServerRefusalError, match="WRONGPASS"):
        await locator.locate()
    nodes.answers[B] = owned_by(C)
    assert await locator.locate() == C


async def test_silence_is_given_up_and_those_who_were_not_asked_come_first_the_next_time(
    locator: ClusterLocator, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LOCATE_TIMEOUT", 0.05)
    nodes.answers[B] = SILENCE
    with pytest.raises(NotSentError, match=r"no node of the Cluster answered within 0\.05 s"):
        await locator.locate()
    assert nodes.asked == [A, B]
    nodes.answers[B] = owned_by(C)
    assert await locator.locate() == C
    assert nodes.asked == [A, B, B]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("3999 10.0.0.7:6381", node("10.0.0.7", 6381)),
        ("3999 fe80::7:6381", node("fe80::7", 6381)),
        ("3999 :6381", node("b", 6381)),
    ],
)
async def test_a_redirection_names_the_node(
    locator: ClusterLocator, nodes: Nodes, text: str, target: TcpAddress
) -> None:
    nodes.answers[A] = owned_by(B)
    assert await locator.locate() == B
    assert locator.again(ServerRefusalError("ASK", text), B) == Again(asking=target, at_once=True)
    assert await locator.locate() == B
    assert locator.again(ServerRefusalError("MOVED", text), B) == Again(at_once=True)
    assert await locator.locate() == target
    assert nodes.asked == [A]


async def test_a_split_namespace_stays_with_its_owner(locator: ClusterLocator, nodes: Nodes) -> None:
    nodes.answers[A] = owned_by(B)
    assert await locator.locate() == B
    assert locator.again(ServerRefusalError("TRYAGAIN", "Multiple keys request during rehashing of slot"), B) == Again()
    assert await locator.locate() == B
    assert nodes.asked == [A]


@pytest.mark.parametrize(
    "error",
    [
        ReplyLostError("cut"),
        NotSentError("cannot be packed"),
        ServerRefusalError("NOSCRIPT", "none"),
        ServerRefusalError("OOM", "full"),
    ],
)
def test_other_failures_are_final(locator: ClusterLocator, error: TransportError) -> None:
    assert locator.again(error, A) is None


async def test_a_bad_name_of_a_namespace_is_refused_before_any_node_is_asked() -> None:
    with pytest.raises(ValidationError, match="'a b'"):
        await connect(str(CLUSTER), "a b")
