"""Which node of a Redis Cluster holds a namespace: the owner of its hash slot.

All keys of a namespace lie in one slot, so one node is enough (decision 0013).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.crc import key_slot

from redis_mob.connection.failures import ServerRefusalError, TransportError, UnreachableError
from redis_mob.connection.servers.address import ClusterAddress, ServerAddress, TcpAddress
from redis_mob.connection.servers.discovery import DiscoveringLocator, ask_server, none_answered
from redis_mob.connection.servers.locator import Again

_NODE = "node of the Cluster"


class ClusterLocator(DiscoveringLocator):
    """The owner of the slot of one key, and so of its namespace, as any node of the Cluster tells it.

    While it has none, any node that will say so. Asks the nodes that it was last told of, and the seeds.
    """

    def __init__(self, address: ClusterAddress, key: str) -> None:
        self._address = address
        self._seeds = [address.node(host, port) for host, port in address.seeds]
        self._slot = key_slot(key.encode())
        super().__init__(self._seeds, _NODE)

    def again(self, error: TransportError, at: ServerAddress) -> Again | None:
        match error, at:
            case ServerRefusalError(code="MOVED", text=text), TcpAddress():
                # the refusal names the owner for good, so that later requests go there at once
                self._holder = self._named(text, at)
                return Again(at_once=True)
            case ServerRefusalError(code="ASK", text=text), TcpAddress():
                # for this request alone, because the slot belongs to the node that answered until the move is over
                return Again(asking=self._named(text, at), at_once=True)
            case ServerRefusalError(code="TRYAGAIN"), _:
                # no other node is asked, since the keys of the script are on both nodes until the move is over
                pass
            case ServerRefusalError(code="CLUSTERDOWN") | UnreachableError(), _:
                # this node is asked last, because a failover may be under way and it may be the last to learn of it
                self.forget()
                self._ask_last(at)
            case _:
                return None
        return Again()

    async def _ask_around(self) -> TcpAddress:
        failures: list[TransportError] = []
        answered: TcpAddress | None = None
        # over a copy, because each answer and each failure changes the list
        for node in list(self._informants):
            try:
                ranges = await _slots(node)
            except TransportError as error:
                failures.append(error)
                self._ask_last(node)
                continue
            # believed at once, since a node that is no longer the owner redirects, and a dead one leads to another look
            if (owner := self._learn(ranges, node)) is not None:
                return owner
            answered = node
        if answered is not None:
            # the slot has no owner: the node will answer CLUSTERDOWN, which would not be told if this raised instead
            return answered
        raise none_answered(_NODE, failures)

    def _learn(self, ranges: Sequence[Sequence[Any]], told_by: TcpAddress) -> TcpAddress | None:
        """Remember the nodes of a reply to CLUSTER SLOTS; returns the owner of the slot, if it has one."""
        owner: TcpAddress | None = None
        known: list[TcpAddress] = []
        for first, last, *nodes in ranges:
            addresses = [self._node((host or b"").decode(), port, told_by) for host, port, *_ in nodes]
            known += addresses
            if first <= self._slot <= last:
                owner = addresses[0]
        # the seeds stay, because all nodes known now may have been replaced when this has to ask again
        self._informants = list(dict.fromkeys([*known, *self._seeds]))
        return owner

    def _named(self, redirection: str, told_by: TcpAddress) -> TcpAddress:
        """The node in the text of a redirection, which is `<slot> <host>:<port>`."""
        host, _, port = redirection.split()[1].rpartition(":")
        return self._node(host, int(port), told_by)

    def _node(self, host: str, port: int, told_by: TcpAddress) -> TcpAddress:
        """The address of a node; one without a host is on the host of the node that told of it."""
        return self._address.node(host or told_by.host, port)


async def _slots(node: TcpAddress) -> Sequence[Sequence[Any]]:
    return await ask_server(node, b"CLUSTER", b"SLOTS")
