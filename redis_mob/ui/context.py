"""What every route of the page is given: the desk it works at, and who asks."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from redis_mob.fleet.definitions import Definitions
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.ui.access.gate import Caller, Gate
from redis_mob.ui.access.guard import CALLER
from redis_mob.ui.access.users import Role as Role
from redis_mob.ui.access.users import User as User
from redis_mob.ui.refusals import ForbiddenError, UnauthorizedError
from redis_mob.ui.settings import UiSettings


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with: the namespace that the page shows, and how the page was started."""

    storage: MobStorage
    admin: FleetAdmin
    settings: UiSettings
    definitions: Definitions
    """Those that were read by any route: they never change."""


def desk(request: HTTPConnection) -> Desk:
    """The desk of the server that a request has come to. Raises StorageUnavailableError while the storage is away."""
    state, storage = request.app.state, request.app.state.door.storage
    found: Desk | None = getattr(state, "desk", None)
    if found is None or found.storage is not storage:
        found = state.desk = Desk(storage, FleetAdmin(storage), state.settings, Definitions(storage.executions))
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
    gate: Gate = request.app.state.gate
    return caller is not None and (caller.session is None or gate.sessions.find(caller.session) is not None)


def operator(request: HTTPConnection) -> User:
    """Who asks, if they may change something. Raises ForbiddenError if they may not, UnauthorizedError as `user`."""
    found = user(request)
    if found.role is not Role.OPERATE:
        raise ForbiddenError(f"{found.name} may look, and change nothing: the role `operate` is needed")
    return found
