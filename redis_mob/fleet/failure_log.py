"""Tells the log of each attempt that has failed, at WARNING: once, by the worker whose handler it was."""

from __future__ import annotations

import logging

from redis_mob.fleet.engine import FailedAttempt

LOGGER = logging.getLogger(__name__)


def log_failure(worker: str, run_id: str, attempt: FailedAttempt) -> None:
    """Write one record: where it happened, the reason, and the traceback of an exception."""
    key, execution, failed = attempt
    LOGGER.warning(
        "worker %s: attempt %d of member %s %s step %s of run %s failed: %s%s",
        worker,
        execution.attempt,
        key.target,
        "at" if execution.escalation is None else "as the supervisor told of",
        execution.step_id,
        run_id,
        failed.reason,
        "" if failed.traceback is None else f"\n{failed.traceback}",
    )
