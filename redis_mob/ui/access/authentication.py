"""Says who asks: by a session, by a proxy, or because only this machine can."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from redis_mob.security.bearer_tokens import is_the_token
from redis_mob.ui.access.login_rate import LoginRate
from redis_mob.ui.access.sessions import Sessions
from redis_mob.ui.access.users import Role, User
from redis_mob.ui.refusals import RefusedError
from redis_mob.ui.settings import UiSettings

CSRF_HEADER = "X-CSRF-Token"


class CsrfError(RefusedError):
    """A change does not carry the token of its session, so that it may be forged; `/api/session` has that token."""

    status = 403


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, the token that a change has to carry, and the session, if there is one."""

    user: User
    csrf: str = field(repr=False)
    session: str | None = field(default=None, repr=False)


class Authentication:
    """Knows the callers of this process."""

    def __init__(self, settings: UiSettings) -> None:
        self.settings = settings
        self.sessions = Sessions()
        self.rate = LoginRate()
        self.cookie = f"redis_mob_ui_{settings.port}"
        """Cookies are those of a host with all its ports: two pages on one host have a cookie each."""
        self._key = secrets.token_bytes(32)

    def caller(self, connection: HTTPConnection) -> Caller | None:
        """Who asks; None if that is not known. Raises UnauthorizedError for a proxy that does not say it."""
        if self.settings.proxy is not None:
            user = self.settings.proxy.user_of(connection)
            return None if user is None else Caller(user, self._csrf_of(user))
        if self.settings.tokens:
            id = connection.cookies.get(self.cookie, "")
            session = self.sessions.find(id)
            return None if session is None else Caller(session.user, session.csrf, id)
        user = User(self.settings.local_user, Role.OPERATE)
        return Caller(user, self._csrf_of(user))

    def check_csrf(self, connection: HTTPConnection, caller: Caller) -> None:
        """Raise CsrfError unless a change carries the token of its session."""
        if not is_the_token(connection.headers.get(CSRF_HEADER, ""), caller.csrf):
            raise CsrfError(f"the header {CSRF_HEADER} is not the token of this session: read /api/session again")

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Whether the browser speaks TLS, with this process or with a proxy on this machine."""
        forwarded = connection.headers.get("x-forwarded-proto", "")
        return "https" in (connection.url.scheme, forwarded)

    def _csrf_of(self, user: User) -> str:
        return hmac.new(self._key, user.name.encode(), hashlib.sha256).hexdigest()
