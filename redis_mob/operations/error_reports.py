"""What is stored with a failure beside its message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from redis_mob.models.failure import AgentErrorReport


def traceback_in(report: AgentErrorReport | None) -> str | None:
    """The traceback that is stored with a failure; None if it has none."""
    found = told_in(report).get("traceback")
    return found if isinstance(found, str) else None


def told_in(report: AgentErrorReport | None) -> Mapping[str, Any]:
    """What a failure says beside its message: exception, detail, traceback, as far as it has them."""
    reason = None if report is None else report.reason
    return cast("Mapping[str, Any]", reason) if isinstance(reason, Mapping) else {}
