"""Sessions of people who have logged in, in the memory of this process."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from redis_mob.ui.access.users import User

SESSION_SECONDS = 12 * 60 * 60
"""How long a session lasts."""

MOST_SESSIONS = 10_000
"""Sessions that are kept; the oldest ones go."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session: whose it is, the token that its changes carry, and until when it lasts."""

    user: User
    csrf: str = field(repr=False)
    ends: float


class Sessions:
    """All sessions of this process, by their ids, which only the browsers of their users know."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def begin(self, user: User) -> str:
        """Begin a session, and return its id."""
        now = self._clock()
        for id in [id for id, session in self._sessions.items() if session.ends <= now]:
            del self._sessions[id]
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        id, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._sessions[id] = Session(user, csrf, now + SESSION_SECONDS)
        return id

    def find(self, id: str) -> Session | None:
        """A session that has not ended."""
        session = self._sessions.get(id)
        return None if session is None or session.ends <= self._clock() else session

    def end(self, id: str) -> None:
        """End a session, if it has not ended."""
        self._sessions.pop(id, None)
