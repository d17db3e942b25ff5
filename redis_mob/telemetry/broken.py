"""What is done about telemetry that raises: samplers, processors, readers are an application's own code.

What they were to be told is lost, and the fleet goes on (contract: telemetry-10).
"""

from __future__ import annotations

import logging

from redis_mob.telemetry import active

_log = logging.getLogger(__name__)


def tell_broken(error: Exception) -> None:
    """Say so in the log, once in a process: it would be said with each step."""
    if not active.is_broken:
        active.is_broken = True
        _log.warning(
            "OpenTelemetry has raised %s: what it was to be told is lost, now and whenever that happens again",
            type(error).__name__,
            exc_info=error,
        )
