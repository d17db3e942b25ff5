"""Serves the page until the process is told to end."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType

import uvicorn

from redis_mob.http_serving import ended_by_signals, listening, url_of
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
    option = f"--host {settings.host} --port {settings.port}"
    with listening(settings.host, settings.port, option) as bound:
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
            with ended_by_signals(server):
                tell(f"serving the page at {url_of(bound)}/")
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
