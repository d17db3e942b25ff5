"""Reads the URL of a storage, without ever showing the password in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from redis_mob.codec.arguments import instance
from redis_mob.connection.servers.address import (
    DEFAULT_PORT,
    HIDDEN,
    SENTINEL_PORT,
    Address,
    ClusterAddress,
    Credentials,
    EmbeddedAddress,
    MemoryAddress,
    SentinelAddress,
    TcpAddress,
    UnixAddress,
)
from redis_mob.connection.servers.defaults import DEFAULT_URL, URL_VARIABLE
from redis_mob.connection.servers.tls import Tls
from redis_mob.errors import ValidationError, shown

TCP_FORM = "redis://[user:password@]host[:port][/db]"
CLUSTER_FORM = "redis+cluster://[user:password@]host[:port][,host[:port]...]"
SENTINEL_FORM = "redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/db]"
SUPPORTED = (
    f"memory:, embedded:, embedded:/directory, {TCP_FORM}, unix:///path.sock[?db=N], {CLUSTER_FORM}, {SENTINEL_FORM}; "
    "with TLS rediss://, rediss+cluster://, rediss+sentinel://; valkey:// means redis://, and so on"
)

_TLS_OPTIONS = ("ca", "cert", "key")
_SENTINEL_OPTIONS = ("sentinel_user", "sentinel_password")
_VALKEY = re.compile(r"^valkey")
_LOCAL = ("memory", "embedded")
"""What has no user and no password."""

_LONGEST_SCHEME = 20

_LONGEST_HOST = 253
"""Characters that a host name has at most, by the rules of DNS."""

_LONGEST_PATH = 500
"""Characters of the path of a socket; systems take about 100. The driver repeats hosts and paths in its errors."""

_ENCODE = (
    "in a user name or password, the characters / ? # @ [ ] and % are percent-encoded: "
    "%2F %3F %23 %40 %5B %5D and %25, as urllib.parse.quote(password, safe='') writes them"
)
_NO_UTF8 = "\ufffd"
"""Stands in a decoded text where bytes are no UTF-8."""

_SURROGATE = "holds a lone surrogate, which is no UTF-8"

_PATHS = {
    "embedded": "directory",
    "unix": "path of the socket",
    "redis+sentinel": "service",
    "rediss+sentinel": "service",
}
"""What the path of a URL names, by its scheme."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORT_THAT_IS_NONE = re.compile(r"([^:]*://[^/?#\[\]]*?:)(?![0-9]*(?:[,/?#]|$))")

_BRACKETS = str.maketrans({"[": "%5B", "]": "%5D"})
"""Hides IPv6 hosts from urlsplit, which takes brackets in the first of several hosts alone."""


def storage_url(url: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The URL that a caller means: the given one, else that of REDIS_MOB_URL, else `embedded:`."""
    return url if url is not None else environment.get(URL_VARIABLE) or DEFAULT_URL


def parse_address(url: str) -> Address:
    """Read the URL of a storage. User, password, service, paths and options are percent-decoded.

    A scheme that begins with `valkey` means the same as the one that begins with `redis`. Raises ValidationError naming
    what is wrong with the URL, or with a file of certificates that it names, and what is supported. No part of the URL
    that may belong to a password is in the message, nor in the causes of the error.
    """
    instance("url", url, str)
    scheme, separator, rest = url.partition(":")
    scheme = _VALKEY.sub("redis", scheme.lower())
    if not _is_utf8(scheme):
        raise _bad(url, f"its scheme {_SURROGATE}")
    if not separator or scheme not in _PARSERS:
        raise _bad(url, f"{scheme[:_LONGEST_SCHEME]}: is no supported kind of storage; write one of {SUPPORTED}")
    # before urlsplit, which would drop line breaks and tabs without a word
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise _bad(url, "it holds a control character")
    parts = _split(url, f"{scheme}:{rest.translate(_BRACKETS) if '+' in scheme else rest}")
    if scheme not in _LOCAL:
        _check_encoding(url, parts)
    _check_utf8(url, parts)
    if parts.fragment:
        raise _bad(url, "a `#` in a path, option or password is written %23")
    return _PARSERS[scheme](url, parts)


def _split(url: str, text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        pass  # raised outside, because its text may quote a password, which the context of our error would hold
    raise _bad(url, f"its host cannot be read; {_ENCODE}")


def _check_encoding(url: str, parts: SplitResult) -> None:
    """Raises ValidationError where a user name or a password is not percent-encoded, as far as that can be seen.

    A `/`, `?` or `#` ends the part of a URL in which they stand, so that the `@` after them comes in a later part.
    """
    login = parts.netloc.rpartition("@")[0]
    # the path of a socket is left out, since an `@` may be in its name
    path = "" if parts.scheme == "unix" and not parts.netloc else parts.path
    if "@" in login + path + parts.query + parts.fragment:
        raise _bad(url, _ENCODE)


def _check_utf8(url: str, parts: SplitResult) -> None:
    """Raises ValidationError naming the part of a URL that holds a lone surrogate, which no server can be sent.

    Python puts surrogates where bytes of the environment or of the command line are no UTF-8. The error that encoding
    one raises holds the whole text, so that a password must not come as far as that.
    """
    if _is_utf8(url):
        return
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    named = [("user name", user), ("password", password), ("host", hosts)]
    named.append((_PATHS.get(parts.scheme, "path"), parts.path))
    for option in parts.query.split("&"):
        name, _, value = option.partition("=")
        known = name in (*_TLS_OPTIONS, *_SENTINEL_OPTIONS, "db")
        named.append((f"option {name}", value) if known else ("options", option))
    # the first part that cannot be encoded; what follows `#`, if none of the others
    part = next((part for part, text in named if not _is_utf8(text)), "fragment")
    raise _bad(url, f"its {part} {_SURROGATE}")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_memory(url: str, parts: SplitResult) -> Address:
    if parts.netloc or parts.path or parts.query:
        raise _bad(url, "nothing may follow it; the namespace is given apart")
    return MemoryAddress()


def _parse_embedded(url: str, parts: SplitResult) -> Address:
    if parts.netloc or parts.query:
        raise _bad(url, "only a directory may follow, as in embedded:/var/lib/fleet")
    path = _path(url, parts)
    if not path:
        return EmbeddedAddress()
    if not path.startswith("/"):
        raise _bad(url, f"the directory must be absolute, as in embedded:{Path(path).absolute()}")
    return EmbeddedAddress(Path(path))


def _parse_tcp(url: str, parts: SplitResult) -> Address:
    options = _options(url, parts)
    if not parts.hostname:
        raise _bad(url, "it names no host, as in redis://localhost:6379/0")
    database = _database(url, parts.path.removeprefix("/") or "0")
    port = _port(url, parts, DEFAULT_PORT)
    return TcpAddress(parts.hostname, port, database, _credentials(url, parts), _tls(url, parts, options))


def _parse_unix(url: str, parts: SplitResult) -> Address:
    if parts.netloc and not parts.netloc.endswith("@"):
        raise _bad(url, "three slashes start the path of a socket, as in unix:///run/redis.sock")
    if not parts.path.startswith("/") or parts.path == "/":
        raise _bad(url, "it names no socket, as in unix:///run/redis.sock")
    if len(parts.path) > _LONGEST_PATH:
        raise _bad(url, f"the path of a socket has at most {_LONGEST_PATH} characters")
    options = _options(url, parts, "db")
    return UnixAddress(_path(url, parts), _database(url, options.get("db", "0")), _credentials(url, parts))


def _parse_cluster(url: str, parts: SplitResult) -> Address:
    if parts.path.strip("/"):
        raise _bad(url, f"a Cluster has no databases, and nothing may follow its hosts: write {CLUSTER_FORM}")
    options = _options(url, parts)
    return ClusterAddress(_places(url, parts, DEFAULT_PORT), _credentials(url, parts), _tls(url, parts, options))


def _parse_sentinel(url: str, parts: SplitResult) -> Address:
    options = _options(url, parts, *_SENTINEL_OPTIONS)
    service, *database = parts.path.removeprefix("/").split("/")
    if not service or len(database) > 1:
        raise _bad(url, f"the name of a service follows the hosts, and at most a database: write {SENTINEL_FORM}")
    return SentinelAddress(
        _places(url, parts, SENTINEL_PORT),
        unquote(service),
        _database(url, "".join(database) or "0"),
        _credentials(url, parts),
        Credentials(options.get("sentinel_user"), options.get("sentinel_password")),
        _tls(url, parts, options),
    )


def _places(url: str, parts: SplitResult, default_port: int) -> tuple[tuple[str, int], ...]:
    """Host and port of each of several hosts."""
    places: list[tuple[str, int]] = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        place = _split(url, "//" + text.replace("%5B", "[").replace("%5D", "]"))
        if not place.hostname:
            raise _bad(url, f"a host is missing, as in {parts.scheme}://host:7000,host:7001")
        places.append((place.hostname, _port(url, place, default_port)))
    return tuple(places)


def _port(url: str, parts: SplitResult, default: int) -> int:
    """The port behind a host. Raises ValidationError for a bad port, and for a host that is too long."""
    if len(parts.hostname or "") > _LONGEST_HOST:
        raise _bad(url, f"the name of a host has at most {_LONGEST_HOST} characters")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _bad(url, "the port is no number from 1 to 65535")
    return port or default


def _path(url: str, parts: SplitResult) -> str:
    path = unquote(parts.path)
    if "\0" in path:
        raise _bad(url, f"its {_PATHS[parts.scheme]} holds a zero byte, which no name of a file has")
    return path


def _database(url: str, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,9}", text) is None:
        raise _bad(url, f"the database is a number, as in .../0, not {shown(text)}")
    return int(text)


def _credentials(url: str, parts: SplitResult) -> Credentials:
    user, password = parts.username, parts.password
    return Credentials(_decoded(url, user) if user else None, _decoded(url, password) if password else None)


def _decoded(url: str, text: str) -> str:
    """A user name or password without percent-encoding; raises ValidationError if it was not encoded properly."""
    decoded = unquote(text)
    if _BAD_ESCAPE.search(text) or _NO_UTF8 in decoded:
        raise _bad(url, _ENCODE)
    return decoded


def _tls(url: str, parts: SplitResult, options: Mapping[str, str]) -> Tls | None:
    """How to encrypt, with files that can be read; None if the scheme does not ask for it."""
    if not _is_encrypted(parts):
        return None
    tls = Tls(**{name: options[name] for name in _TLS_OPTIONS if name in options})
    try:
        if tls.options:
            tls.context()
    except ValidationError as error:
        raise _bad(url, str(error)) from error
    return tls


def _options(url: str, parts: SplitResult, *names: str) -> dict[str, str]:
    """The options after `?`, which have these names, or those of TLS where the scheme asks for it."""
    allowed = (*names, *_TLS_OPTIONS) if _is_encrypted(parts) else names
    options: dict[str, str] = {}
    for option in filter(None, parts.query.split("&")):
        name, _, value = option.partition("=")
        if name not in allowed:
            wanted = f"has {', '.join(allowed)}" if allowed else "takes none"
            hint = f"; {name} needs TLS, as in rediss://" if name in _TLS_OPTIONS else ""
            # a `&` in a password that is an option ends it, and what follows would be shown here as a name
            what = "a part of its options" if "password" in parts.query else shown(name)
            raise _bad(url, f"{what} is none of its options: {parts.scheme}:// {wanted}{hint}")
        if name in options or not value:
            raise _bad(url, f"the option {name} is {'given twice' if value else 'empty'}")
        options[name] = _decoded(url, value) if name in _SENTINEL_OPTIONS else unquote(value)
    return options


def _is_encrypted(parts: SplitResult) -> bool:
    return parts.scheme.startswith("rediss")


def _bad(url: str, reason: str) -> ValidationError:
    return ValidationError(f"storage URL {shown(_without_secrets(url))}: {reason}")


def _without_secrets(url: str) -> str:
    """The URL without the parts that may hold a secret: what stands before the last `@`, and option values.

    Without an `@`, a port that is no number may be a password whose host is missing.
    """
    head, at, tail = url.rpartition("@")
    scheme, colon, rest = head.partition(":")
    kept = f"{scheme if colon else ''}{colon}{'//' if rest.startswith('//') else ''}{HIDDEN}@{tail}" if at else tail
    if not at and (found := _PORT_THAT_IS_NONE.match(kept)):
        return f"{found[1]}{HIDDEN}"
    place, question, _ = kept.partition("?")
    return f"{place}{question}{HIDDEN if question else ''}"


_PARSERS = {
    "memory": _parse_memory,
    "embedded": _parse_embedded,
    "redis": _parse_tcp,
    "rediss": _parse_tcp,
    "unix": _parse_unix,
    "redis+cluster": _parse_cluster,
    "rediss+cluster": _parse_cluster,
    "redis+sentinel": _parse_sentinel,
    "rediss+sentinel": _parse_sentinel,
}
