"""The application: the routes of all parts of the page, behind the check of access."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from redis_mob.errors import RedisMobError
from redis_mob.storage import MobStorage
from redis_mob.ui.access.access_check import AccessCheck
from redis_mob.ui.access.authentication import Authentication
from redis_mob.ui.answers import failure
from redis_mob.ui.feed.hub import Hub
from redis_mob.ui.refusals import RefusedError
from redis_mob.ui.settings import UiSettings
from redis_mob.ui.storage_opening import StorageOpener

_PARTS = (
    "access.login",
    "overview",
    "run_lists",
    "run_views",
    "step_views",
    "live",
    "history",
    "actions",
    "documents",
    "page_files",
)
"""Modules with routes, the one that answers all other paths last."""

_COMPRESSED_BYTES = 2000
"""Answers that are longer are compressed."""


def ui_app(storage: MobStorage | StorageOpener, settings: UiSettings) -> Starlette:
    """The page of a namespace, as an ASGI application; the caller closes the storage."""
    authentication = Authentication(settings)
    app = Starlette(
        routes=_routes(),
        middleware=[
            Middleware(AccessCheck, authentication=authentication),
            Middleware(GZipMiddleware, minimum_size=_COMPRESSED_BYTES, compresslevel=3),
        ],
        exception_handlers={RedisMobError: _told, HTTPException: _no_route},
        lifespan=_lifespan,
    )
    app.state.settings, app.state.authentication, app.state.definition_names = settings, authentication, {}
    app.state.opener = StorageOpener.of(storage) if isinstance(storage, MobStorage) else storage
    app.state.hub = Hub(app.state.opener)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncGenerator[None]:
    app.state.hub.begin()
    yield
    await app.state.hub.aclose()


def _routes() -> list[BaseRoute]:
    names = [f"redis_mob.ui.{part}" for part in _PARTS]
    return [route for name in names if find_spec(name) for route in import_module(name).routes()]


async def _told(_request: Request, error: Any) -> Response:
    return failure(error)


async def _no_route(request: Request, error: Any) -> Response:
    refused = RefusedError(f"{request.method} {request.url.path}: {error.detail}", dict(error.headers or {}))
    refused.status = error.status_code
    return failure(refused)
