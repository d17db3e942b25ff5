"""A Redis Cluster of three primaries on this machine, and the moving of its slots."""

from __future__ import annotations

import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ConnectionError
from redis.retry import Retry

from redis_mob.connection.keys import Keys
from redis_mob.connection.server_process import find_server
from redis_mob.testing.waiting import LONG

HOST = "127.0.0.1"
_PRIMARIES = 3
_POLL = 0.01
_BUS = 10_000
"""A node talks to the others on a port that much above its own."""


def slot_of(namespace: str) -> int:
    """The hash slot that holds all keys of a namespace."""
    return key_slot(Keys(namespace).meta.encode())


class Node:
    """One server of a Cluster."""

    def __init__(self, program: Path, directory: str, settings: tuple[str, ...], password: str | None) -> None:
        self.port = _free_port()
        command = [str(program), "--port", str(self.port), "--bind", HOST, "--dir", directory, "--save", ""]
        command += ["--cluster-enabled", "yes", "--cluster-config-file", f"{self.port}.conf", *settings]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._client = Redis(HOST, self.port, password=password, protocol=2, retry=Retry(NoBackoff(), 0))

    @property
    def id(self) -> str:
        """The name by which the nodes know it."""
        return self.do("CLUSTER", "MYID").decode()

    def do(self, *command: bytes | str | int) -> Any:
        """Run a command on this node, and return its raw reply."""
        return self._client.execute_command(*command)

    def info(self) -> dict[str, str]:
        """What this node thinks of the Cluster."""
        lines = self.do("CLUSTER", "INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines)

    def sees_itself_own(self, slot: int) -> bool:
        """Whether it takes itself for the owner of a slot."""
        ranges = self.do("CLUSTER", "SLOTS")
        return any(first <= slot <= last and primary[1] == self.port for first, last, primary, *_ in ranges)

    def epoch_of(self, other: Node) -> str:
        """How new its word of the other's slots is: the greatest of several who claim a slot wins."""
        known = self.do("CLUSTER", "NODES").decode().splitlines()
        (line,) = (line for line in known if line.startswith(other.id))
        return line.split()[6]

    def refusals(self, code: str) -> int:
        """How often it has answered with this error."""
        return self.do("INFO", "errorstats").get(f"errorstat_{code}", {"count": 0})["count"]

    def came_up(self) -> bool:
        """Wait until the server answers, or ends because somebody else has its port."""
        while self._process.poll() is None:
            with suppress(ConnectionError):
                return self.do("PING")
            time.sleep(_POLL)
        return False

    def kill(self) -> None:
        """End the server at once, without a word to anybody."""
        self._client.close()
        self._process.kill()
        self._process.wait()


class Cluster:
    """Three primaries that share the slots."""

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

    def refusals(self, code: str) -> int:
        """How often the nodes have answered with this error."""
        return sum(node.refusals(code) for node in self.nodes)

    def is_ready(self) -> bool:
        """Whether all nodes know each other, and say that all slots are served."""
        infos = [node.info() for node in self.nodes]
        return all(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(_PRIMARIES) for info in infos)

    def owner(self, slot: int) -> Node:
        """The node that has the slot."""
        return next(node for node in self.nodes if node.sees_itself_own(slot))

    def another(self, slot: int) -> Node:
        """A node that does not have the slot."""
        owner = self.owner(slot)
        return next(node for node in self.nodes if node is not owner)

    def begin_move(self, slot: int, target: Node) -> None:
        """From now on the owner sends whoever asks for a key that it does not have to the target."""
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
        """Tell all nodes that the slot is the target's, and wait until no older word from another can undo that."""
        for node in sorted(self.nodes, key=lambda node: node is not target):
            node.do("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        _until(lambda: len({node.epoch_of(target) for node in self.nodes}) == 1)

    def move(self, slot: int, target: Node) -> None:
        """Give a slot with all its keys to another node."""
        self.begin_move(slot, target)
        self.move_keys(slot, target)
        self.end_move(slot, target)


@contextmanager
def run_cluster(*settings: str, password: str | None = None, program: Path | None = None) -> Iterator[Cluster]:
    """A Cluster whose nodes run with these settings until the block ends; ready when this yields."""
    if password is not None:
        settings = (*settings, "--requirepass", password)
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory, ExitStack() as stack:
        nodes: list[Node] = []
        for _ in range(_PRIMARIES):
            nodes.append(_start(program or find_server(), directory, settings, password))
            stack.callback(nodes[-1].kill)
        _join(nodes)
        started = Cluster(nodes, password)
        _until(started.is_ready)
        yield started


def _start(program: Path, directory: str, settings: tuple[str, ...], password: str | None) -> Node:
    for _ in range(5):
        node = Node(program, directory, settings, password)
        if node.came_up():
            return node
        node.kill()
    raise RuntimeError(f"{program} does not start with {settings}")


def _join(nodes: list[Node]) -> None:
    bounds = [REDIS_CLUSTER_HASH_SLOTS * number // len(nodes) for number in range(len(nodes) + 1)]
    for number, node in enumerate(nodes):
        node.do("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        node.do("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        node.do("CLUSTER", "MEET", HOST, nodes[0].port)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "the Cluster does not get ready"
        time.sleep(_POLL)


def _free_port() -> int:
    """A port that is free together with that of the bus, both below those that the system gives to clients."""
    while True:
        port = random.randrange(20_000, 22_768)
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind((HOST, port))
                two.bind((HOST, port + _BUS))
            except OSError:
                continue
            return port
