"""What the page's server refuses by itself, each with its HTTP status."""

from __future__ import annotations

from redis_mob.errors import RedisMobError


class RefusedError(RedisMobError):
    """A request is not done, before any store is asked. `headers` go with the answer."""

    status = 400

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}


class TooSlowError(RefusedError):
    """The body of a request does not come."""

    status = 408


class UnauthorizedError(RefusedError):
    """It is not known who asks."""

    status = 401


class ForbiddenError(RefusedError):
    """The one who asks may not do this."""

    status = 403


class GoneError(RefusedError):
    """What was looked at is deleted."""

    status = 410


class TooManyError(RefusedError):
    """There were too many of these requests, or what one sends is too long."""

    status = 429
