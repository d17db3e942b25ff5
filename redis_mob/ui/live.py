"""The route of what goes on: one stream of server-sent events for each tab."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from redis_mob.models.base import U64_MAX
from redis_mob.past.run_events import checked_run_id
from redis_mob.ui.answers import number_in
from redis_mob.ui.context import is_still_known, user
from redis_mob.ui.feed.hub import MOST_TABS, Hub
from redis_mob.ui.feed.messages import HEARTBEAT
from redis_mob.ui.refusals import TooManyError

HEARTBEAT_SECONDS = 10.0
"""How long nothing is sent until a comment is: browsers and proxies see that the stream is alive."""

RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser that was cut off comes again."""


def routes() -> list[Route]:
    """This route."""
    return [Route("/api/live", live)]


async def live(request: Request) -> Response:
    """What goes on, from now on or from behind a cursor on: `Last-Event-ID`, or `after`."""
    user(request)
    hub: Hub = request.app.state.hub
    if len(hub.tabs) >= MOST_TABS:
        raise TooManyError(f"{MOST_TABS} tabs are open, as many as one server takes: close some", {"Retry-After": "10"})
    named = request.query_params.get("run")
    run_id = checked_run_id(named) if named else None
    last = request.headers.get("last-event-id", "")
    is_cursor = last.isascii() and last.isdecimal() and len(last) <= len(str(U64_MAX))
    after = int(last) if is_cursor else number_in(request, "after", -1)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return Response(media_type="text/event-stream", headers=headers)
    return _Stream(_events(request, hub, run_id, None if after < 0 else after), headers)


class _Stream(StreamingResponse):
    """Closes its generator with the answer, so that a tab is gone when its browser is."""

    def __init__(self, events: AsyncGenerator[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def _events(request: Request, hub: Hub, run_id: str | None, after: int | None) -> AsyncGenerator[bytes]:
    async with hub.tab(run_id, after) as tab:
        yield RETRY
        while not tab.has_ended and is_still_known(request):
            yield await tab.take(HEARTBEAT_SECONDS) or HEARTBEAT
