"""The application: the routes of all parts of the page, behind the guard."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from redis_mob.errors import RedisMobError
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.ui.answers import failure
from redis_mob.ui.context import Desk, Role, User
from redis_mob.ui.settings import UiSettings

_PARTS = ("overview", "run_lists", "run_views", "live", "history", "actions", "documents", "page_files")


def ui_app(storage: MobStorage, settings: UiSettings) -> Starlette:
    """The page of an open namespace, as an ASGI application."""
    app = Starlette(routes=_routes(), exception_handlers={RedisMobError: _told})
    app.state.desk = Desk(storage, FleetAdmin(storage), settings)
    app.add_middleware(_EachIsLocal, settings=settings)
    return app


def _routes() -> list[BaseRoute]:
    names = [f"redis_mob.ui.{part}" for part in _PARTS]
    return [route for name in names if find_spec(name) for route in import_module(name).routes()]


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RedisMobError)
    return failure(error)


class _EachIsLocal:
    def __init__(self, app: ASGIApp, settings: UiSettings) -> None:
        self._app = app
        self._user: Any = User(settings.local_user, Role.OPERATE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "redis_mob.user": self._user}, receive, send)
