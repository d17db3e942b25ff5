"""What every route of the page is given: what it works with, and who asks."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from redis_mob.fleet.definitions import Definitions
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.ui.access.access_check import CALLER
from redis_mob.ui.access.authentication import Authentication, Caller
from redis_mob.ui.access.users import Role as Role
from redis_mob.ui.access.users import User as User
from redis_mob.ui.refusals import ForbiddenError, UnauthorizedError
from redis_mob.ui.settings import UiSettings


@dataclass(frozen=True, slots=True)
class PageServices:
    """What the routes work with: the namespace that the page shows, and how the page was started."""

    storage: MobStorage
    admin: FleetAdmin
    settings: UiSettings
    definitions: Definitions
    """Those that were read by any route: they never change."""


def services(request: HTTPConnection) -> PageServices:
    """What this server works with. Raises StorageUnavailableError while the storage is away."""
    state, storage = request.app.state, request.app.state.opener.storage
    found: PageServices | None = getattr(state, "services", None)
    if found is None or found.storage is not storage:
        found = state.services = PageServices(
            storage, FleetAdmin(storage), state.settings, Definitions(storage.executions)
        )
    return found


def user(request: HTTPConnection) -> User:
    """Who asks. Raises UnauthorizedError if that is not known."""
    caller: Caller | None = request.scope[CALLER]
    if caller is None:
        raise UnauthorizedError("log in first")
    return caller.user


def is_still_known(request: HTTPConnection) -> bool:
    """Whether the one who asked, in an answer that goes on, could still ask: their session has not ended."""
    caller: Caller | None = request.scope[CALLER]
    authentication: Authentication = request.app.state.authentication
    return caller is not None and (caller.session is None or authentication.sessions.find(caller.session) is not None)


def operator(request: HTTPConnection) -> User:
    """Who asks, if they may change something. Raises ForbiddenError if they may not, UnauthorizedError as `user`."""
    found = user(request)
    if found.role is not Role.OPERATE:
        raise ForbiddenError(f"{found.name} may look, and change nothing: the role `operate` is needed")
    return found
