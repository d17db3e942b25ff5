"""Where a storage lives: reading its URL, without ever showing the password in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from redis_mob.errors import ValidationError

URL_VARIABLE = "REDIS_MOB_URL"
DEFAULT_URL = "embedded:"
DEFAULT_PORT = 6379

TCP_FORM = "redis://[user:password@]host[:port][/db]"
CLUSTER_FORM = "redis+cluster://[user:password@]host[:port][,host[:port]...]"
SUPPORTED = f"memory:, embedded:, embedded:/directory, {TCP_FORM}, unix:///path.sock[?db=N], {CLUSTER_FORM}"
PLANNED = ("rediss", "redis+sentinel")

_BRACKETS = str.maketrans({"[": "%5B", "]": "%5D"})
"""Hides IPv6 hosts from urlsplit, which takes brackets in the first of several hosts alone."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a client authenticates; neither text nor repr shows the password."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self._before_host("***" if self.password else "")

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
    """No server: the content stays in this process, and is gone when nobody has it open any more."""

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

    def __str__(self) -> str:
        return f"redis://{self.credentials}{self._place}"

    @property
    def url(self) -> str:
        return f"redis://{self.credentials.quoted}{self._place}"

    @property
    def _place(self) -> str:
        return f"{_host_and_port(self.host, self.port)}/{self.db}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A server on a Unix socket of this machine. `url` holds the password, `str()` does not."""

    path: str
    db: int = 0
    credentials: Credentials = field(default_factory=Credentials)

    def __str__(self) -> str:
        return f"unix://{self.credentials}{self._place}"

    @property
    def url(self) -> str:
        return f"unix://{self.credentials.quoted}{self._place}"

    @property
    def _place(self) -> str:
        return quote(self.path) + (f"?db={self.db}" if self.db else "")


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """A Redis Cluster: host and port of some of its nodes, of which one has to answer. All take the same credentials.

    `url` holds the password, `str()` does not.
    """

    seeds: tuple[tuple[str, int], ...]
    credentials: Credentials = field(default_factory=Credentials)

    def __str__(self) -> str:
        return f"redis+cluster://{self.credentials}{self._places}"

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.credentials.quoted}{self._places}"

    @property
    def _places(self) -> str:
        return ",".join(_host_and_port(host, port) for host, port in self.seeds)

    def node(self, host: str, port: int) -> TcpAddress:
        """The address of one of its nodes."""
        return TcpAddress(host, port, credentials=self.credentials)


ServerAddress = TcpAddress | UnixAddress
Address = MemoryAddress | EmbeddedAddress | ServerAddress | ClusterAddress


def storage_url(url: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The URL that a caller means: the given one, else that of REDIS_MOB_URL, else `embedded:`."""
    return url if url is not None else environment.get(URL_VARIABLE) or DEFAULT_URL


def parse_address(url: str) -> Address:
    """Read the URL of a storage. User, password and paths are percent-decoded.

    Raises ValidationError naming what is wrong with it and what is supported; the password is not in the message.
    """
    scheme, separator, _ = url.partition(":")
    scheme = scheme.lower()
    if scheme in PLANNED and separator:
        raise _bad(url, f"{scheme}: is not supported by this version, which supports {SUPPORTED}")
    if not separator or scheme not in _PARSERS:
        raise _bad(url, f"no supported kind of storage; write one of {SUPPORTED}")
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise _bad(url, "it holds a control character")
    several_hosts = scheme == "redis+cluster"
    parts = _split(url, url.translate(_BRACKETS) if several_hosts else url)
    if parts.fragment:
        raise _bad(url, "a `#` in a path or password is written %23")
    return _PARSERS[scheme](url, parts)


def _split(url: str, text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise _bad(url, "its host cannot be read") from error


def _parse_memory(url: str, parts: SplitResult) -> Address:
    if parts.netloc or parts.path or parts.query:
        raise _bad(url, "nothing may follow it; the namespace is given apart")
    return MemoryAddress()


def _parse_embedded(url: str, parts: SplitResult) -> Address:
    if parts.netloc or parts.query:
        raise _bad(url, "only a directory may follow, as in embedded:/var/lib/fleet")
    path = unquote(parts.path)
    if not path:
        return EmbeddedAddress()
    if not path.startswith("/"):
        raise _bad(url, f"the directory must be absolute, as in embedded:{Path(path).absolute()}")
    return EmbeddedAddress(Path(path))


def _parse_tcp(url: str, parts: SplitResult) -> Address:
    if parts.query:
        raise _bad(url, f"it takes no options after `?`: write {TCP_FORM}")
    if not parts.hostname:
        raise _bad(url, "it names no host, as in redis://localhost:6379/0")
    database = _database(url, parts.path.removeprefix("/") or "0")
    return TcpAddress(parts.hostname, _port(url, parts), database, _credentials(parts))


def _parse_unix(url: str, parts: SplitResult) -> Address:
    if parts.hostname:
        raise _bad(url, "three slashes start the path of a socket, as in unix:///run/redis.sock")
    if not parts.path.startswith("/") or parts.path == "/":
        raise _bad(url, "it names no socket, as in unix:///run/redis.sock")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {"db"}):
        raise _bad(url, f"the only option of a socket is db, not {', '.join(unknown)}")
    return UnixAddress(unquote(parts.path), _database(url, options.get("db", "0")), _credentials(parts))


def _parse_cluster(url: str, parts: SplitResult) -> Address:
    if parts.path.strip("/") or parts.query:
        raise _bad(url, f"a Cluster has no databases, and nothing may follow its hosts: write {CLUSTER_FORM}")
    places = parts.netloc.rpartition("@")[2].split(",")
    return ClusterAddress(tuple(_seed(url, place) for place in places), _credentials(parts))


def _seed(url: str, place: str) -> tuple[str, int]:
    parts = _split(url, "//" + place.replace("%5B", "[").replace("%5D", "]"))
    if not parts.hostname:
        raise _bad(url, "a host is missing, as in redis+cluster://host:7000,host:7001")
    return parts.hostname, _port(url, parts)


def _port(url: str, parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _bad(url, "the port is no number from 1 to 65535")
    return port or DEFAULT_PORT


def _database(url: str, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,9}", text) is None:
        raise _bad(url, f"the database is a number, as in .../0, not {text!r}")
    return int(text)


def _credentials(parts: SplitResult) -> Credentials:
    user, password = parts.username, parts.password
    return Credentials(unquote(user) if user else None, unquote(password) if password else None)


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bad(url: str, reason: str) -> ValidationError:
    return ValidationError(f"storage URL {_shown(url)!r}: {reason}")


def _shown(url: str) -> str:
    """The URL without the parts that may hold a secret: what stands before the last `@`, and option values."""
    head, at, tail = url.rpartition("@")
    scheme, colon, rest = head.partition(":")
    kept = f"{scheme if colon else ''}{colon}{'//' if rest.startswith('//') else ''}***@{tail}" if at else tail
    place, question, _ = kept.partition("?")
    return f"{place}{question}{'***' if question else ''}"


_PARSERS = {
    "memory": _parse_memory,
    "embedded": _parse_embedded,
    "redis": _parse_tcp,
    "unix": _parse_unix,
    "redis+cluster": _parse_cluster,
}
