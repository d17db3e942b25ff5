"""Budgets that are full again each day, or after each other length of time (contract: budget-10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redis_mob.models.base import format_timestamp
from redis_mob.models.budget import NOTHING, Account

MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime.fromtimestamp(0, UTC)
"""From when on moments of windows are counted, in milliseconds."""

MONDAY_MS = 4 * 86_400_000
"""Windows are counted from a Monday, 0:00 UTC: those of a day begin at midnight, those of seven days on Mondays."""


def window_start(now_ms: int, per_ms: int) -> int:
    """When the window has begun in which a moment is; both in milliseconds since 1970."""
    return now_ms - (now_ms - MONDAY_MS) % per_ms


def rolled(account: Account, now_ms: int) -> Account:
    """The account as it is at a moment: a new one where the window is over that it is of.

    What calls that began before have put aside is nothing to it. A moment before its window changes nothing.
    """
    window = account.window
    if window is None or (since := window_start(now_ms, window.per_ms)) <= window.since_ms:
        return account
    is_next = window.since_ms == since - window.per_ms
    return account.model_copy(
        update={
            "used": NOTHING,
            "reserved": NOTHING,
            "estimated": NOTHING,
            "unpriced_tokens": 0,
            "window": window._replace(since_ms=since, before=account.used if is_next else NOTHING),
        }
    )


def refused(account: Account) -> Account:
    """The account once it has refused a call in its window."""
    window = account.window
    if window is None:
        return account
    return account.model_copy(update={"window": window._replace(refused_ms=window.since_ms)})


def has_refused_before(account: Account) -> bool:
    """Whether it has refused calls in a window that is over: the runs that it has paused by that are to go on."""
    window = account.window
    return window is not None and window.refused_ms is not None and window.refused_ms < window.since_ms


def full_again(account: Account) -> str:
    """When an account is full again, behind what else is said of it; nothing if it never is."""
    if account.window is None:
        return ""
    return f"; it is full again at {format_timestamp(moment(account.window.ends_ms))}"


def moment(ms: int) -> datetime:
    """A moment in milliseconds since 1970."""
    return EPOCH + ms * MILLISECOND
