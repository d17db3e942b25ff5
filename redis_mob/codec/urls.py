"""URLs that are called: looked at where they are given, since the libraries that call them take any."""

from __future__ import annotations

from urllib.parse import urlsplit

from redis_mob.codec.arguments import valid_text
from redis_mob.errors import ValidationError

GREATEST_PORT = 2**16 - 1


def checked_url(name: str, url: object) -> str:
    """The same URL. Raises ValidationError, without showing it, for one that leads to no HTTP service."""
    given = valid_text(name, url)
    try:
        parts = urlsplit(given)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        parts, is_one = None, False
    if parts is None or not is_one:
        raise ValidationError(f"{name} must be one of http:// or https:// with a host")  # it may hold a password
    _, colon, port = parts.netloc.rpartition("@")[2].rpartition(":")
    if colon and not port.endswith("]") and not _is_port(port):
        raise ValidationError(f"{name} must have a port from 1 to {GREATEST_PORT}, or none")
    return given


def _is_port(port: str) -> bool:
    if not port:
        return True  # nothing behind the colon is the port of the scheme
    return (
        port.isascii() and port.isdigit() and len(port) <= len(str(GREATEST_PORT)) and 1 <= int(port) <= GREATEST_PORT
    )
