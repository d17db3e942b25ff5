"""Serves the page until the process is told to end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from redis_mob.errors import ValidationError
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import UiSettings
from redis_mob.ui.storage_opening import Opens, StorageOpener

END_SECONDS = 2
"""How long answers under way may go on when the process is told to end."""

KEEP_ALIVE_SECONDS = 30

MOST_CONNECTIONS = 1_000
"""Connections at a time; more are answered with 503."""


async def serve(opens: Opens, namespace: str, settings: UiSettings, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `tell` gets the URL once connections are taken, and why the storage is away.

    Raises ValidationError for an address that cannot be used, and what opening raises that does not pass.
    """
    with listening(settings) as bound:
        host, port = bound.getsockname()[:2]
        opener = StorageOpener(namespace, opens)
        try:
            problem = await opener.first_attempt()
            app = ui_app(opener, settings)
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # whose address a request comes from is not said by a header
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=END_SECONDS,
                limit_concurrency=MOST_CONNECTIONS,
            )
            server = _Server(config, app.state.hub.end_tabs)
            with _ended_by_signals(server):
                tell(f"serving the page at http://{f'[{host}]' if ':' in host else host}:{port}/")
                if problem is not None:
                    tell(f"note: {problem}; the page says so, and goes on when that is over")
                await server.serve(sockets=[bound])
        finally:
            await opener.aclose()


class _Server(uvicorn.Server):
    """Lets all tabs go when it is told to end: those that are open would keep it until its time is over."""

    def __init__(self, config: uvicorn.Config, end_tabs: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_tabs = end_tabs

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._end_tabs()
        super().handle_exit(sig, frame)


@contextmanager
def listening(settings: UiSettings) -> Generator[socket.socket]:
    """The socket at which connections are taken. Raises ValidationError for an address that cannot be used."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        bound = socket.create_server((settings.host, settings.port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        reason = error if number is None or number < 0 else os.strerror(number)
        raise ValidationError(
            f"--host {settings.host} --port {settings.port} cannot be used: {reason}; name a free port with --port, or "
            "let one be chosen with --port 0"
        ) from None
    with bound:
        yield bound


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Generator[None]:
    """Also before uvicorn takes signals, and after: it raises the one that ended it once more for those before it."""

    def end(*_signal: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
