"""A Redis Cluster on this machine: the moving of its slots, and what becomes of them when nodes die."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ConnectionError

from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.testing.servers.node import HOST, started, wait_for
from redis_mob.testing.servers.node import Node as Server

_PRIMARIES = 3
_BUS = 10_000
"""A node talks to the others on a port that much above its own."""


def slot_of(namespace: str) -> int:
    """The hash slot that holds all keys of a namespace."""
    return key_slot(Keys(namespace).meta.encode())


class Node(Server):
    """One server of a Cluster."""

    @property
    def id(self) -> str:
        """The name by which the nodes know it."""
        return self.do("CLUSTER", "MYID").decode()

    def info(self) -> dict[str, str]:
        """What this node thinks of the Cluster."""
        lines = self.do("CLUSTER", "INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines)

    def shards(self) -> dict[tuple[int, int], list[int]]:
        """The ports of the primary and the replicas that it takes for those of each range of slots."""
        return {(first, last): [known[1] for known in nodes] for first, last, *nodes in self.do("CLUSTER", "SLOTS")}

    def sees_itself_own(self, slot: int) -> bool:
        """Whether it takes itself for the owner of a slot."""
        return any(first <= slot <= last and ports[0] == self.port for (first, last), ports in self.shards().items())

    def epoch_of(self, other: Node) -> str:
        """The config epoch of another node as this one knows it: of two nodes that claim a slot, the greater wins."""
        known = self.do("CLUSTER", "NODES").decode().splitlines()
        (line,) = (line for line in known if line.startswith(other.id))
        return line.split()[6]

    def follows(self) -> int | None:
        """The port of the primary that it is in sync with; None if it is none's replica, or lags behind."""
        match self.do("ROLE"):
            case [b"slave", _host, port, b"connected", *_]:
                return port
            case _:
                return None

    def refusals(self, code: str) -> int:
        """How often it has answered with this error."""
        return self.do("INFO", "errorstats").get(f"errorstat_{code}", {"count": 0})["count"]


class Cluster:
    """Primaries that share the slots, and the replicas of each; `nodes` are all of them."""

    def __init__(self, nodes: list[Node], password: str | None) -> None:
        self.nodes = nodes
        self.password = password

    @property
    def url(self) -> str:
        """The URL that names all nodes."""
        return self.url_of(*self.nodes)

    def url_of(self, *nodes: Node) -> str:
        """The URL that names these nodes alone."""
        credentials = f":{self.password}@" if self.password else ""
        return f"redis+cluster://{credentials}{','.join(f'{HOST}:{node.port}' for node in nodes)}"

    @property
    def running(self) -> list[Node]:
        """The nodes that are not dead."""
        return [node for node in self.nodes if node.is_running]

    def refusals(self, code: str) -> int:
        """How often the nodes have answered with this error."""
        return sum(node.refusals(code) for node in self.nodes)

    def is_ready(self) -> bool:
        """Whether all nodes run, agree on the owners of slots, say that all are served, and all replicas are in sync.

        While one of them is not answering, it is not.
        """
        with suppress(ConnectionError):
            infos = [node.info() for node in self.nodes]
            if any((info["cluster_state"], info["cluster_known_nodes"]) != ("ok", str(len(infos))) for info in infos):
                return False
            views = [node.shards() for node in self.nodes]
            primaries = {ports[0] for ports in views[0].values()}
            return (
                all(_sorted(view) == _sorted(views[0]) for view in views)
                and {port for ports in views[0].values() for port in ports} == {node.port for node in self.nodes}
                and all(node.follows() in primaries for node in self.nodes if node.port not in primaries)
            )
        return False

    def owner(self, slot: int) -> Node:
        """The node that has the slot."""
        owner = next((node for node in self.nodes if node.sees_itself_own(slot)), None)
        assert owner is not None, f"slot {slot} has no owner"
        return owner

    def another(self, slot: int) -> Node:
        """A node that does not have the slot."""
        owner = self.owner(slot)
        return next(node for node in self.nodes if node is not owner)

    def begin_move(self, slot: int, target: Node) -> None:
        """From now on the owner answers ASK, which names the target, for a key that it does not have."""
        source = self.owner(slot)
        target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot: int, target: Node) -> None:
        """Move all keys of a slot, one after the other."""
        source = self.owner(slot)
        login = ("AUTH", self.password) if self.password else ()
        while keys := source.do("CLUSTER", "GETKEYSINSLOT", slot, 100):
            for key in keys:
                source.do("MIGRATE", HOST, target.port, key, 0, 5000, *login)

    def end_move(self, slot: int, target: Node) -> None:
        """Tell all nodes that the slot is the target's, and wait until no older gossip can undo that."""
        self.assign(slot, target)
        self.wait_until_believed(target)

    def assign(self, slot: int, target: Node) -> None:
        """Tell all nodes that the slot is the target's, which has all its keys."""
        for node in sorted(self.nodes, key=lambda node: node is not target):
            node.do("CLUSTER", "SETSLOT", slot, "NODE", target.id)

    def wait_until_believed(self, target: Node) -> None:
        """Wait until no older gossip of another node can undo what was assigned to the target."""
        wait_for(lambda: len({node.epoch_of(target) for node in self.nodes}) == 1, "the nodes do not come to agree")

    def move(self, slot: int, target: Node) -> None:
        """Give a slot with all its keys to another node."""
        self.begin_move(slot, target)
        self.move_keys(slot, target)
        self.end_move(slot, target)

    def shard(self, slot: int) -> Shard:
        """The nodes that hold a slot, now and later."""
        return Shard(self, slot)


class Shard:
    """The primary that has a slot, and its replicas, whichever nodes these are at the time."""

    def __init__(self, cluster: Cluster, slot: int) -> None:
        self.url = cluster.url
        self._cluster = cluster
        self._slot = slot

    @property
    def primary(self) -> Node:
        """The node that the first one that runs names as the owner of the slot; it may be dead."""
        shards = self._cluster.running[0].shards()
        [port] = [ports[0] for (first, last), ports in shards.items() if first <= self._slot <= last]
        return next(node for node in self._cluster.nodes if node.port == port)

    @property
    def replicas(self) -> list[Node]:
        """The running nodes that are in sync with the primary."""
        port = self.primary.port
        return [node for node in self._cluster.running if node.follows() == port]

    def kill(self, node: Node) -> None:
        """End a node at once, as kill -9 does."""
        node.kill()

    def restart(self, node: Node) -> None:
        """Start a killed node again, and wait until it answers; it becomes a replica of the owner of its slots."""
        node.start_again()

    def failover(self) -> None:
        """Make a replica take over from the primary, which is well; returns when that begins."""
        self.replicas[0].do("CLUSTER", "FAILOVER")

    def wait_until_ready(self) -> None:
        """Block until all nodes agree, and all replicas are in sync."""
        wait_for(self._cluster.is_ready, "the Cluster does not get ready")


@contextmanager
def run_cluster(
    *settings: str,
    password: str | None = None,
    program: Path | None = None,
    replicas: int = 0,
    primaries: int = _PRIMARIES,
) -> Generator[Cluster]:
    """A Cluster whose nodes run with these settings until the block ends; ready when this yields.

    It has three primaries unless another number is given, each with so many replicas.
    """
    if password is not None:
        settings = (*settings, "--requirepass", password, "--masterauth", password)
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory, ExitStack() as stack:
        nodes: list[Node] = []
        for _ in range(primaries * (1 + replicas)):
            nodes.append(_start(program or find_server(), directory, settings, password))
            stack.callback(nodes[-1].kill)
        _join(nodes[:primaries], nodes[primaries:])
        cluster = Cluster(nodes, password)
        wait_for(cluster.is_ready, "the Cluster does not get ready")
        yield cluster


def _start(program: Path, directory: str, settings: Sequence[str], password: str | None) -> Node:
    def node(port: int) -> Node:
        place = Path(directory, str(port))
        place.mkdir(exist_ok=True)
        command = [str(program), "--port", str(port), "--bind", HOST, "--dir", str(place), "--save", ""]
        return Node(port, [*command, "--cluster-enabled", "yes", *settings], password=password)

    return started(node, bus=_BUS)


def _join(primaries: Sequence[Node], replicas: Sequence[Node]) -> None:
    bounds = [REDIS_CLUSTER_HASH_SLOTS * number // len(primaries) for number in range(len(primaries) + 1)]
    for number, node in enumerate(primaries):
        node.do("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        node.do("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in (*primaries[1:], *replicas):
        node.do("CLUSTER", "MEET", HOST, primaries[0].port)
    for number, node in enumerate(replicas):
        primary = primaries[number % len(primaries)].id
        wait_for(lambda node=node, primary=primary: primary in node.do("CLUSTER", "NODES").decode(), "no gossip")
        node.do("CLUSTER", "REPLICATE", primary)


def _sorted(view: dict[tuple[int, int], list[int]]) -> list[Any]:
    """The same for nodes that list the same replicas in another order."""
    return sorted((range_, ports[0], sorted(ports[1:])) for range_, ports in view.items())
