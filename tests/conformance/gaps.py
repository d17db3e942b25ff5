"""What the backends under our tests cannot show, and why: a skip for any other reason is one too many in a merge."""

from __future__ import annotations

from collections.abc import Mapping

GAPS: Mapping[str, str] = {
    "redis_mob in memory does not provide disconnect": "there is no connection to lose",
    "redis_mob in memory does not provide damage": "no process but this one can reach the content",
    "redis_mob on fakeredis does not provide disconnect": "after CLIENT KILL fakeredis refuses every command",
    "sqlite3 does not provide disconnect": "there is no connection to lose",
    "the backend has no store of budgets": "sqlite3 is a backend of the two contracts; the fleet is ours",
    "the backend has no store of host": "sqlite3 is a backend of the two contracts; this store is for meerkat",
    "the backend has no store of conversations": "sqlite3 is a backend of the two contracts; the fleet is ours",
    "the backend has no store of records": "sqlite3 is a backend of the two contracts; generic records are ours",
    "the backend has no store of executions": "sqlite3 is a backend of the two contracts; the fleet is ours",
}
"""How the reason of a skip begins, and what is behind it."""


def is_known_gap(reason: str) -> bool:
    """Whether a test was skipped for one of these reasons."""
    return any(gap in reason for gap in GAPS)
