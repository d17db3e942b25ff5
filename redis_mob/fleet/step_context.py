"""What a handler is called with, and the exception by which it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from redis_mob.errors import Portable
from redis_mob.models.flow_spec import Message


class StepFailed(Portable, Exception):  # noqa: N818
    """Raise it in a handler to fail the execution, and to say whether trying again makes sense.

    Any other exception fails the execution too, and is retryable. `detail` is any JSON value; it is kept with the
    failure.
    """

    def __init__(self, reason: str, retryable: bool = True, detail: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.detail = detail


@dataclass(frozen=True, slots=True)
class StepContext:
    """One execution of a step by one member.

    `iteration` is that of the loop body the step is in, None outside of loops. `message` is rendered. `outputs` holds
    the visible output of each step, `loops` the iterations of each loop, as conditions see them. `attempt` counts
    from 1. `idempotency_key` is the same in every execution of this step by this member, `fencing_token` grows with
    every new owner: pass them on to what must not happen twice. `deadline` is when the execution is given up (UTC).
    `cancelled` is set when the result is not needed any more: the deadline has passed, or the lease is lost.
    """

    mob_id: str
    flow_id: str
    run_id: str
    step_id: str
    node_id: str
    frame_id: str
    iteration: int | None
    role: str
    member: str
    attempt: int
    message: Message
    params: Any
    outputs: Mapping[str, Any]
    loops: Mapping[str, Sequence[Mapping[str, Any]]]
    idempotency_key: str
    fencing_token: int
    deadline: datetime
    cancelled: asyncio.Event = field(repr=False)
    heartbeat: Callable[[], Awaitable[bool]] = field(repr=False)
    """Renews the lease now; False means that it is lost. Workers do this by themselves, so it is for tests of the
    lease before something costly."""


Handler = Callable[[StepContext], Any]
"""A coroutine function, or a plain function, which runs in a thread. It returns any JSON value."""


def handler_for(handlers: Mapping[str, Handler], role: str) -> Handler | None:
    """The handler of a role: its own, or that of `*`."""
    return handlers.get(role) or handlers.get("*")
