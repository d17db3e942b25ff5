"""The ids of run and step in log records: of all that is logged while a handler is called, by it or beneath it."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import NamedTuple

from redis_mob.telemetry import active


class LogIds(NamedTuple):
    """Which attempt a log record belongs to."""

    run_id: str
    step_id: str
    member: str
    attempt: int


current: ContextVar[LogIds | None] = ContextVar("redis_mob_log_ids", default=None)
"""The attempt whose handler is called in this context, if telemetry or a filter asks for it."""


_NONE = LogIds("", "", "", 0)


class RunLogFilter(logging.Filter):
    """Adds `run_id`, `step_id`, `member` and `attempt` to each log record: to a handler of `logging`, which lets all
    records pass, with `handler.addFilter(RunLogFilter())`.

    Outside of attempts the ids are empty texts, and the attempt is 0, so that a format may name them. Make it before
    the workers begin (contract: telemetry-9).
    """

    def __init__(self) -> None:
        super().__init__()
        active.wants_log_ids = True

    def filter(self, record: logging.LogRecord) -> bool:
        """True, always."""
        # a record that names these itself keeps them
        for name, value in zip(LogIds._fields, current.get() or _NONE, strict=True):
            vars(record).setdefault(name, value)
        return True
