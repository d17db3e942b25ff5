"""What stands in the place of a member where a step waits for a signal."""

from __future__ import annotations

_WAITER = "signal:"


def waiter(signal: str) -> str:
    """What stands in the place of a member where a step waits; no role gives a member such a name."""
    return f"{_WAITER}{signal}"


def signal_of(target: str) -> str | None:
    """The signal that a step waits for in whose member's place this stands; None if a member is asked."""
    return target.removeprefix(_WAITER) if target.startswith(_WAITER) else None
