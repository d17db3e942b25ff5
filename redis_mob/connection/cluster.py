"""Which node of a Redis Cluster holds a namespace: the owner of its hash slot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.crc import key_slot

from redis_mob.connection.address import ClusterAddress, ServerAddress, TcpAddress
from redis_mob.connection.keys import Keys
from redis_mob.connection.locator import Again
from redis_mob.connection.transport import NotSent, ServerRefusal, Transport, TransportError, Unreachable

_ANSWER_TIMEOUT = 2.0
"""Seconds within which a node has to say who owns which slots, before another node is asked."""

_LOCATE_TIMEOUT = 5.0
"""Seconds within which one of the nodes has to have said it."""


class ClusterLocator:
    """The owner of the slot of one namespace, as any node of the Cluster tells it.

    Asks the nodes that it was last told of, and the seeds; those that did not answer come last.
    """

    def __init__(self, address: ClusterAddress, namespace: str) -> None:
        self._address = address
        self._seeds = [address.node(host, port) for host, port in address.seeds]
        self._nodes = list(self._seeds)
        self._slot = key_slot(Keys(namespace).meta.encode())
        self._owner: TcpAddress | None = None
        self._asking = asyncio.Lock()

    async def locate(self) -> TcpAddress:
        """The owner of the slot, or while it has none, a node that will say so.

        Raises NotSent if no node answers, ServerRefusal if they refuse to tell.
        """
        if self._owner is not None:
            return self._owner
        try:
            async with asyncio.timeout(_LOCATE_TIMEOUT), self._asking:
                if self._owner is None:
                    self._owner = await self._ask_around()
                return self._owner
        except TimeoutError as error:
            raise NotSent(f"no node of the Cluster answered within {_LOCATE_TIMEOUT:g} s") from error

    def forget(self) -> None:
        self._owner = None

    def again(self, error: TransportError, at: ServerAddress) -> Again | None:
        match error, at:
            case ServerRefusal(code="MOVED", text=text), TcpAddress():
                self._owner = self._named(text, at)
            case ServerRefusal(code="ASK", text=text), TcpAddress():
                return Again(asking=self._named(text, at))
            case ServerRefusal(code="TRYAGAIN"), _:
                pass
            case ServerRefusal(code="CLUSTERDOWN") | Unreachable(), _:
                self.forget()
                self._ask_last(at)
            case _:
                return None
        return Again()

    async def _ask_around(self) -> TcpAddress:
        failures: list[TransportError] = []
        answered: TcpAddress | None = None
        for node in list(self._nodes):
            try:
                ranges = await _slots(node)
            except TransportError as error:
                failures.append(error)
                self._ask_last(node)
                continue
            if (owner := self._learn(ranges, node)) is not None:
                return owner
            answered = node
        if answered is not None:
            return answered
        for failure in failures:
            if isinstance(failure, ServerRefusal):
                raise failure
        raise NotSent(f"no node of the Cluster answers: {'; '.join(map(str, failures))}") from failures[0].__cause__

    def _learn(self, ranges: Sequence[Sequence[Any]], told_by: TcpAddress) -> TcpAddress | None:
        """Remember the nodes of a reply to CLUSTER SLOTS; returns the owner of the slot, if it has one."""
        owner: TcpAddress | None = None
        known: list[TcpAddress] = []
        for first, last, *nodes in ranges:
            addresses = [self._node((host or b"").decode(), port, told_by) for host, port, *_ in nodes]
            known += addresses
            if first <= self._slot <= last:
                owner = addresses[0]
        self._nodes = list(dict.fromkeys([*known, *self._seeds]))
        return owner

    def _named(self, redirection: str, told_by: TcpAddress) -> TcpAddress:
        """The node in the text of a redirection, which is `<slot> <host>:<port>`."""
        host, _, port = redirection.split()[1].rpartition(":")
        return self._node(host, int(port), told_by)

    def _node(self, host: str, port: int, told_by: TcpAddress) -> TcpAddress:
        """The address of a node; one without a host is on the host of the node that told of it."""
        return self._address.node(host or told_by.host, port)

    def _ask_last(self, node: ServerAddress) -> None:
        self._nodes.sort(key=lambda known: known == node)


async def _slots(node: TcpAddress) -> Sequence[Sequence[Any]]:
    transport = Transport(node, connect_timeout=_ANSWER_TIMEOUT, reply_timeout=_ANSWER_TIMEOUT, max_requests=1)
    try:
        return await transport.request(b"CLUSTER", b"SLOTS")
    finally:
        await transport.aclose()
