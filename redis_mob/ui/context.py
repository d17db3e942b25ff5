"""What every route of the page is given: the desk it works at, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection

from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.ui.refusals import ForbiddenError, UnauthorizedError
from redis_mob.ui.settings import UiSettings


class Role(StrEnum):
    """What a user may do: look at everything, or also change it."""

    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with: the namespace that the page shows, and how the page was started."""

    storage: MobStorage
    admin: FleetAdmin
    settings: UiSettings


def desk(request: HTTPConnection) -> Desk:
    """The desk of the server that a request has come to."""
    found: Desk = request.app.state.desk
    return found


def user(request: HTTPConnection) -> User:
    """Who asks. Raises UnauthorizedError if that is not known."""
    found: User | None = request.scope.get("redis_mob.user")
    if found is None:
        raise UnauthorizedError("log in first")
    return found


def operator(request: HTTPConnection) -> User:
    """Who asks, if they may change something. Raises ForbiddenError if they may not, UnauthorizedError as `user`."""
    found = user(request)
    if found.role is not Role.OPERATE:
        raise ForbiddenError(f"{found.name} may look, but not change anything: the role `operate` is needed")
    return found
