"""The reasons by which a replay of the log knows why a step was skipped, or a loop is over."""

from __future__ import annotations

from redis_mob.errors import shown

LOOP_SKIPPED = "the loop around it was skipped"
"""Why a step is skipped that was never in a frame."""

NOT_REACHED = "what it depends on did not complete"
"""Why a step is skipped that waited for others."""

_NEVER_HELD = ": its condition did not hold after "


def exhausted_text(loop_id: str) -> str:
    """How the reason of a run begins whose loop is exhausted."""
    return f"loop {shown(loop_id)}{_NEVER_HELD}"


def tells_exhausted(reason: str) -> bool:
    """Whether a reason tells that some loop is exhausted."""
    return reason.startswith("loop ") and _NEVER_HELD in reason
