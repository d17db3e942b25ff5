"""A primary with two replicas on this machine, and three Sentinels that watch over them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from redis.exceptions import ConnectionError

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.testing.servers.node import HOST, Node, started, wait_for

SERVICE = "mob-primary"

_SERVERS = 3
_SENTINELS = 3
_QUORUM = 2
_QUICK_SERVER = ("--save", "", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
_QUICK = {
    "info-period": 300,
    "publish-period": 200,
    "ask-period": 200,
    "min-link-reconnect-period": 200,
    "tilt-period": 1000,
}
"""Milliseconds: Sentinels find out in tenths of a second what usually takes them ten."""


class Encryption(Protocol):
    """What servers are told to speak TLS alone, and how the driver connects to them."""

    @property
    def ca(self) -> Path:
        """The certificate of the authority that clients are to trust."""
        ...

    @property
    def driver(self) -> dict[str, Any]:
        """Arguments of the driver."""
        ...

    def settings(self, port: int) -> tuple[str, ...]:
        """How a server is told so, and to listen on this port."""
        ...


class Sentinels:
    """Three servers of one service, one of them the primary, and the Sentinels that decide which.

    A server that is killed while it is the primary comes back as one, until the Sentinels notice that; so it is with
    any service. What a server has stored comes back if `settings` make it store something (`"--appendonly", "yes"`).
    """

    def __init__(self, servers: list[Node], sentinels: list[Node], url: str) -> None:
        self.servers = servers
        self.sentinels = sentinels
        self._url = url

    @property
    def url(self) -> str:
        """The URL that names all Sentinels."""
        return self.url_of(*self.sentinels)

    def url_of(self, *sentinels: Node, service: str = SERVICE) -> str:
        """The URL that names these Sentinels alone."""
        places = ",".join(f"{HOST}:{sentinel.port}" for sentinel in sentinels)
        return self._url.format(places=places, service=service)

    @property
    def primary(self) -> Node:
        """The server that the first Sentinel that runs names as the primary; it may be dead, or not one yet."""
        return self._named_by(next(sentinel for sentinel in self.sentinels if sentinel.is_running))

    @property
    def replicas(self) -> list[Node]:
        """The other servers, dead ones too."""
        primary = self.primary
        return [server for server in self.servers if server is not primary]

    def kill(self, node: Node) -> None:
        """End a server or a Sentinel at once, as kill -9 does."""
        node.kill()

    def restart(self, node: Node) -> None:
        """Start a killed server or Sentinel again, and wait until it answers."""
        node.start_again()
        if node in self.sentinels:
            _hurry(node)

    def failover(self) -> None:
        """Make the Sentinels give the service to a replica, though the primary is well; returns when that begins.

        A service that is not ready (see `wait_until_ready`) may refuse.
        """
        next(sentinel for sentinel in self.sentinels if sentinel.is_running).do("SENTINEL", "FAILOVER", SERVICE)

    def is_ready(self) -> bool:
        """Whether the running Sentinels agree on the primary, and all other running servers are in sync with it."""
        sentinels = [sentinel for sentinel in self.sentinels if sentinel.is_running]
        named = {self._named_by(sentinel) for sentinel in sentinels}
        primary = named.pop()
        if named or not primary.is_running or _role(primary)[0] != b"master":
            return False
        replicas = [server for server in self.servers if server.is_running and server is not primary]
        return all(_follows(replica, primary) for replica in replicas) and all(
            _knows(sentinel, len(sentinels) - 1, replicas) for sentinel in sentinels
        )

    def wait_until_ready(self) -> None:
        """Block until the service is ready, also for a failover; within a loop, `await asyncio.to_thread(...)` it."""
        wait_for(self.is_ready, "the Sentinels do not get ready")

    def _named_by(self, sentinel: Node) -> Node:
        _host, port = sentinel.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))


@contextmanager
def run_sentinels(
    *settings: str,
    password: str | None = None,
    sentinel_password: str | None = None,
    encryption: Encryption | None = None,
    program: Path | None = None,
) -> Generator[Sentinels]:
    """A service whose servers run with these settings until the block ends; ready when this yields.

    The passwords are those of the default users of the servers and of the Sentinels. Encryption is for all of them.
    """
    start = partial(_start, program or find_server(), encryption)
    kept = ("--requirepass", password, "--masterauth", password) if password else ()
    guarded = ("--requirepass", sentinel_password) if sentinel_password else ()
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as name, ExitStack() as stack:
        servers: list[Node] = []
        for number in range(_SERVERS):
            config = f"replicaof {HOST} {servers[0].port}\n" if servers else ""
            place = Path(name, f"server-{number}")
            servers.append(start(place, config, (*_QUICK_SERVER, *kept, *settings), password))
            stack.callback(servers[-1].kill)
        watched = _watched(servers[0], password, sentinel_password)
        sentinels: list[Node] = []
        for number in range(_SENTINELS):
            place = Path(name, f"sentinel-{number}")
            sentinels.append(start(place, watched, ("--sentinel", *guarded), sentinel_password))
            stack.callback(sentinels[-1].kill)
            _hurry(sentinels[-1])
        service = Sentinels(servers, sentinels, _url(password, sentinel_password, encryption))
        service.wait_until_ready()
        yield service


def _url(password: str | None, sentinel_password: str | None, encryption: Encryption | None) -> str:
    """The URL of a service, without its places and its name."""
    credentials = f":{quote(password)}@" if password else ""
    options = {"sentinel_password": sentinel_password} if sentinel_password else {}
    options |= {"ca": str(encryption.ca)} if encryption else {}
    scheme, query = "rediss" if encryption else "redis", urlencode(options, safe="/")
    return f"{scheme}+sentinel://{credentials}{{places}}/{{service}}/0{'?' if query else ''}{query}"


def _start(
    program: Path,
    encryption: Encryption | None,
    place: Path,
    config: str,
    settings: tuple[str, ...],
    password: str | None,
) -> Node:
    """A server or Sentinel that keeps everything in this directory, its configuration included."""
    place.mkdir()
    (place / "conf").write_text(config)
    command = [str(program), str(place / "conf"), "--bind", HOST, "--dir", str(place), *settings]
    driver = encryption.driver if encryption else {}

    def node(port: int) -> Node:
        listening = encryption.settings(port) if encryption else ("--port", str(port))
        return Node(port, [*command, *listening], password=password, **driver)

    return started(node)


def _watched(primary: Node, password: str | None, sentinel_password: str | None) -> str:
    """The configuration of a Sentinel."""
    lines = [
        f"sentinel monitor {SERVICE} {HOST} {primary.port} {_QUORUM}",
        f"sentinel down-after-milliseconds {SERVICE} 500",
        f"sentinel failover-timeout {SERVICE} 2000",
        f"sentinel parallel-syncs {SERVICE} 2",
    ]
    if password is not None:
        lines.append(f"sentinel auth-pass {SERVICE} {password}")
    if sentinel_password is not None:
        lines.append(f"sentinel sentinel-pass {sentinel_password}")
    return "\n".join(lines) + "\n"


def _hurry(sentinel: Node) -> None:
    sentinel.do("SENTINEL", "DEBUG", *(part for name, value in _QUICK.items() for part in (name, value)))


def _role(server: Node) -> list[Any]:
    with suppress(ConnectionError):
        return server.do("ROLE")
    return [None]


def _follows(replica: Node, primary: Node) -> bool:
    match _role(replica):
        case [b"slave", _host, port, b"connected", *_]:
            return port == primary.port
        case _:
            return False


def _knows(sentinel: Node, others: int, replicas: list[Node]) -> bool:
    """Whether a Sentinel sees so many others, no trouble, and these replicas, so that a failover can begin."""
    primary = _fields(sentinel.do("SENTINEL", "MASTER", SERVICE))
    seen = [_fields(one) for one in sentinel.do("SENTINEL", "REPLICAS", SERVICE)]
    well = {int(one["port"]) for one in seen if one["flags"] == "slave" and one["master-link-status"] == "ok"}
    watching = [_fields(one) for one in sentinel.do("SENTINEL", "SENTINELS", SERVICE)]
    return (
        primary["flags"] == "master"
        and sum("s_down" not in one["flags"] for one in watching) == others
        and well >= {replica.port for replica in replicas}
    )


def _fields(reply: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))
