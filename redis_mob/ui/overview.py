"""The route of the overview."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.ui.answers import reply
from redis_mob.ui.context import user
from redis_mob.ui.feed.hub import Hub


def routes() -> list[Route]:
    """This route."""
    return [Route("/api/overview", overview)]


async def overview(request: Request) -> Response:
    """What the fleet is at, and what the last minutes were like."""
    user(request)
    hub: Hub = request.app.state.hub
    return reply(await hub.overview())
