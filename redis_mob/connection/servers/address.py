"""Where a storage lives, without ever showing the password in its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from redis_mob.connection.servers.tls import Tls

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

HIDDEN = "***"
"""Stands where a secret is not shown."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a client authenticates; neither text nor repr shows the password."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self._before_host(HIDDEN if self.password else "")

    @property
    def quoted(self) -> str:
        """The part of a URL before the host, password included."""
        return self._before_host(quote(self.password or "", safe=""))

    def _before_host(self, password: str) -> str:
        if self.user is None and self.password is None:
            return ""
        user = quote(self.user or "", safe="")
        return f"{user}:{password}@" if password else f"{user}@"


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """No server: the content stays in this process, and is gone when its last storage is closed."""

    @property
    def url(self) -> str:
        return "memory:"


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """A server of our own: it keeps its data in `directory`, or only while it runs when there is none."""

    directory: Path | None = None

    @property
    def url(self) -> str:
        return f"embedded:{quote(str(self.directory)) if self.directory else ''}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A server on the network. `url` holds the password, `str()` does not."""

    host: str
    port: int = DEFAULT_PORT
    db: int = 0
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"{self._scheme}{self.credentials}{self._rest}"

    @property
    def url(self) -> str:
        return f"{self._scheme}{self.credentials.quoted}{self._rest}"

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return _host_and_port(self.host, self.port)

    @property
    def _scheme(self) -> str:
        return "rediss://" if self.tls else "redis://"

    @property
    def _rest(self) -> str:
        return f"{self.endpoint}/{self.db}{_query(_options(self.tls))}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A server on a Unix socket of this machine. `url` holds the password, `str()` does not."""

    path: str
    db: int = 0
    credentials: Credentials = field(default_factory=Credentials)

    def __str__(self) -> str:
        return f"unix://{self.credentials}{self._rest}"

    @property
    def url(self) -> str:
        return f"unix://{self.credentials.quoted}{self._rest}"

    @property
    def endpoint(self) -> str:
        """The path of the socket."""
        return self.path

    @property
    def _rest(self) -> str:
        return quote(self.path) + (f"?db={self.db}" if self.db else "")


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """A Redis Cluster: host and port of some of its nodes, of which one has to answer. All take the same credentials.

    `url` holds the password, `str()` does not.
    """

    seeds: tuple[tuple[str, int], ...]
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"{self._scheme}{self.credentials}{self._places}"

    @property
    def url(self) -> str:
        return f"{self._scheme}{self.credentials.quoted}{self._places}"

    def node(self, host: str, port: int) -> TcpAddress:
        """The address of one of its nodes."""
        return TcpAddress(host, port, credentials=self.credentials, tls=self.tls)

    @property
    def _scheme(self) -> str:
        return "rediss+cluster://" if self.tls else "redis+cluster://"

    @property
    def _places(self) -> str:
        return _hosts(self.seeds) + _query(_options(self.tls))


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """The primary of a service that Sentinels watch over: host and port of some of them, of which one has to answer.

    The servers of the service all take `credentials`, the Sentinels all take `sentinel_credentials`, and both sides
    speak TLS, or none does. `url` holds the passwords, `str()` does not.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    db: int = 0
    credentials: Credentials = field(default_factory=Credentials)
    sentinel_credentials: Credentials = field(default_factory=Credentials)
    tls: Tls | None = None

    def __str__(self) -> str:
        password = HIDDEN if self.sentinel_credentials.password else None
        return f"{self._scheme}{self.credentials}{self._places}{_query(self._all_options(password))}"

    @property
    def url(self) -> str:
        options = self._all_options(self.sentinel_credentials.password)
        return f"{self._scheme}{self.credentials.quoted}{self._places}{_query(options)}"

    def server(self, host: str, port: int) -> TcpAddress:
        """The address of one of the servers of the service."""
        return TcpAddress(host, port, self.db, self.credentials, self.tls)

    def sentinel(self, host: str, port: int) -> TcpAddress:
        """The address of one of the Sentinels."""
        return TcpAddress(host, port, credentials=self.sentinel_credentials, tls=self.tls)

    @property
    def _scheme(self) -> str:
        return "rediss+sentinel://" if self.tls else "redis+sentinel://"

    @property
    def _places(self) -> str:
        return f"{_hosts(self.sentinels)}/{quote(self.service, safe='')}/{self.db}"

    def _all_options(self, password: str | None) -> dict[str, str]:
        login = {"sentinel_user": self.sentinel_credentials.user, "sentinel_password": password}
        return {**{name: value for name, value in login.items() if value}, **_options(self.tls)}


ServerAddress = TcpAddress | UnixAddress
ServiceAddress = ServerAddress | ClusterAddress | SentinelAddress
Address = MemoryAddress | EmbeddedAddress | ServiceAddress


def _hosts(places: tuple[tuple[str, int], ...]) -> str:
    return ",".join(_host_and_port(host, port) for host, port in places)


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options(tls: Tls | None) -> dict[str, str]:
    return tls.options if tls else {}


def _query(options: Mapping[str, str]) -> str:
    text = "&".join(f"{name}={quote(value, safe='/*')}" for name, value in options.items())
    return f"?{text}" if text else ""
