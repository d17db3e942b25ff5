"""Contexts of steps that no worker has made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

from redis_mob import StepContext
from redis_mob.fleet.telling import Ready


class KeptTeller:
    """Keeps what a handler tells."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.chunks: list[tuple[str, Any]] = []

    def report(self, value: dict[str, Any], /) -> Awaitable[None]:
        self.reports.append(value)
        return Ready()

    def stream(self, topic: str, value: Any, /) -> Awaitable[None]:
        self.chunks.append((topic, value))
        return Ready()


async def _held() -> bool:
    return True


def context(**fields: Any) -> StepContext:
    """A context; every field that is not given has a value that tells it from the others."""
    given: dict[str, Any] = {
        "mob_id": "mob",
        "flow_id": "flow",
        "run_id": "11111111-2222-3333-4444-555555555555",
        "step_id": "step",
        "node_id": "node",
        "frame_id": "frame",
        "iteration": None,
        "role": "role",
        "member": "role-1",
        "attempt": 1,
        "message": "do it",
        "params": {"name": "Ada"},
        "outputs": {"before": {"role-1": 1}},
        "loops": {},
        "idempotency_key": "the-key",
        "fencing_token": 7,
        "deadline": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        "cancelled": asyncio.Event(),
        "heartbeat": _held,
    }
    return StepContext(**(given | fields))
