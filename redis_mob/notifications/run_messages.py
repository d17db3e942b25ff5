"""What a message about a run says: `<run id> due` or `<run id> changed`; lua/executions publishes it."""

from __future__ import annotations

from redis_mob.notifications.wake_up_flag import Concern

_DUE = b" due"


def run_message(run_id: str, *, is_due: bool) -> bytes:
    """The message that a run has changed, and whether it or an execution of it is due within a second."""
    return run_id.encode() + (_DUE if is_due else b" changed")


def about(run_id: str | None) -> Concern:
    """Accepts all messages about a run, or, without one, those that something became due."""
    if run_id is None:
        return lambda message: message.endswith(_DUE)
    start = run_id.encode() + b" "
    return lambda message: message.startswith(start)
