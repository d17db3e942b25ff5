"""What every HTTP server of this package does with its address, and with the signals that end it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis_mob.errors import ValidationError

if TYPE_CHECKING:
    import uvicorn


@contextmanager
def listening(host: str, port: int, option: str) -> Generator[socket.socket]:
    """The socket at which connections are taken. Raises ValidationError naming the option for an address that cannot
    be used."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        reason = error if number is None or number < 0 else os.strerror(number)
        raise ValidationError(
            f"{option} cannot be used: {reason}; name a free port, or let one be chosen with port 0"
        ) from None
    with bound:
        yield bound


def url_of(bound: socket.socket) -> str:
    """The URL of what is served at a socket, without a path."""
    host, port = bound.getsockname()[:2]
    return http_url(host, port)


def http_url(host: str, port: int) -> str:
    """The URL of an address and port, without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def ended_by_signals(server: uvicorn.Server) -> Generator[None]:
    """Also before uvicorn takes signals, and after: it raises the one that ended it once more for those before it."""

    def end(*_signal: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
