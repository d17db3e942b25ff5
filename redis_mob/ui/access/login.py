"""Logging in and out, and what a page is told of its session."""

from __future__ import annotations

import logging

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.errors import ValidationError, shown
from redis_mob.ui.access.access_check import CALLER, LOGIN, LOGOUT, SESSION
from redis_mob.ui.access.authentication import Authentication, Caller
from redis_mob.ui.access.sessions import SESSION_SECONDS
from redis_mob.ui.access.tokens import user_of
from redis_mob.ui.answers import body, reply
from redis_mob.ui.refusals import UnauthorizedError
from redis_mob.version import __version__

_log = logging.getLogger(__name__)


class Login(BaseModel):
    """What a login sends."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    token: str = Field(max_length=4096, repr=False)


def routes() -> list[Route]:
    """These routes."""
    return [
        Route(SESSION, session),
        Route(LOGIN, login, methods=["POST"]),
        Route(LOGOUT, logout, methods=["POST"]),
        Route("/healthz", healthy),
    ]


async def session(request: Request) -> Response:
    """Who asks, and what a page has to know before all else; all may ask."""
    caller: Caller | None = request.scope[CALLER]
    told = {"user": None, "role": None, "csrf": None, "namespace": None}
    if caller is not None:
        namespace = request.app.state.opener.namespace
        told = {"user": caller.user.name, "role": caller.user.role, "csrf": caller.csrf, "namespace": namespace}
    wants_login = caller is None and bool(_authentication(request).settings.tokens)
    can_leave = caller is not None and caller.session is not None
    return reply({**told, "version": __version__, "login": wants_login, "logout": can_leave})


async def login(request: Request) -> Response:
    """Begin a session with a token. Raises UnauthorizedError for a wrong one, TooManyError after many of them."""
    authentication = _authentication(request)
    if not authentication.settings.tokens:
        raise ValidationError("this page has no tokens: there is nothing to log in with")
    address = request.client.host if request.client else ""
    sent = await body(request, Login)
    # behind the body, so that many which are sent at the same time are counted one after the other
    authentication.rate.check(address)
    user = user_of(sent.token, authentication.settings.tokens)
    if user is None:
        authentication.rate.failed(address)
        _log.warning("login refused: wrong token, from %s", shown(address))
        raise UnauthorizedError("that is no token of this page")
    _log.info("login of %s with role %s, from %s", shown(user.name), user.role, shown(address))
    answer = reply({"user": user.name, "role": user.role})
    answer.set_cookie(
        authentication.cookie,
        authentication.sessions.begin(user),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=authentication.is_secure(request),
    )
    return answer


async def logout(request: Request) -> Response:
    """End the session."""
    authentication, caller = _authentication(request), request.scope[CALLER]
    if caller.session is not None:
        authentication.sessions.end(caller.session)
        _log.info("logout of %s", shown(caller.user.name))
    answer = reply({})
    answer.delete_cookie(authentication.cookie, httponly=True, samesite="strict")
    return answer


async def healthy(_request: Request) -> Response:
    """That this process serves, for those who watch over it; of the fleet it says nothing."""
    return reply({"version": __version__})


def _authentication(request: Request) -> Authentication:
    authentication: Authentication = request.app.state.authentication
    return authentication
