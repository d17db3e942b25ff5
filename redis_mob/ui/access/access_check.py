"""Stands before all routes: no request reaches one that its caller may not use, and no answer lacks its headers."""

from __future__ import annotations

import logging

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redis_mob.errors import RedisMobError, ValidationError
from redis_mob.ui.access.authentication import Authentication, Caller
from redis_mob.ui.access.headers import guarded
from redis_mob.ui.access.hosts import check_host, check_origin
from redis_mob.ui.access.users import Role
from redis_mob.ui.answers import failure
from redis_mob.ui.refusals import ForbiddenError, RefusedError, UnauthorizedError

_log = logging.getLogger(__name__)

CALLER = "redis_mob.caller"
"""The name in the scope of a request of who asks, None if that is not known."""

READING = ("GET", "HEAD")
LOGIN, LOGOUT, SESSION = "/login", "/logout", "/api/session"


class BrokenError(RefusedError):
    """The server has made a mistake, which its log tells."""

    status = 500


class AccessCheck:
    """Checks a request, and gives it its caller (contract: ui-1, ui-2, ui-3)."""

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        answer = guarded(sent)
        try:
            if not scope["query_string"].isascii():
                raise ValidationError("the query of the request is no ASCII text: write other characters as %XX")
            await self._app({**scope, CALLER: self._checked(HTTPConnection(scope))}, receive, answer)
        except RedisMobError as error:
            await failure(error)(scope, receive, answer)
        except Exception:
            _log.exception("%s %s has failed", scope["method"], ascii(scope["path"]))
            if has_begun:
                raise
            await failure(BrokenError("the server of the page has failed; its log says why"))(scope, receive, answer)

    def _checked(self, connection: HTTPConnection) -> Caller | None:
        method, path = connection.scope["method"], connection.scope["path"]
        check_host(connection, self._authentication.settings)
        if method not in READING:
            check_origin(connection, self._authentication.settings)
        if path == LOGIN and method not in READING:
            return None  # who asks is said by what it sends
        caller = self._authentication.caller(connection)
        if method not in READING:
            if caller is None:
                raise UnauthorizedError("log in first")
            if path != LOGOUT and caller.user.role is not Role.OPERATE:
                raise ForbiddenError(f"{caller.user.name} may look, and change nothing: the role `operate` is needed")
            self._authentication.check_csrf(connection, caller)
        elif caller is None and path.startswith("/api/") and path != SESSION:
            raise UnauthorizedError("log in first")
        return caller
