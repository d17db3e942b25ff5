"""Values that handlers publish while they are at work, for those who ask the run (contract: engine-59)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from redis_mob.codec.arguments import valid_text
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import NotFoundError, ValidationError, WaitTimeoutError, shortened, shown
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, most_bytes, too_long
from redis_mob.fleet.run_wait import seconds_of
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.execution import Execution, ExecutionKey, RunLaunch
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

MOST_BYTES_OF_KEY = 256
"""How long the key of a published value may be, in UTF-8."""


async def publish(
    store: ExecutionStore,
    launch: RunLaunch,
    run_id: str,
    key: ExecutionKey,
    execution: Execution,
    name: str,
    value: Any,
) -> bool:
    """Publish a value for an execution; False if its worker has lost it. Raises as `StepContext.publish`."""
    checked_name(name)
    try:
        plain = output_json(value, MAX_OUTPUT_DEPTH)
    except ValueError as error:
        raise ValidationError(f"the value published as {shown(name)} is refused: {shortened(error)}") from None
    if (problem := too_long(plain, most_bytes(launch), "publish")) is not None:
        raise ValidationError(f"the value published as {shown(name)} is {problem}")
    return await store.publish(run_id, key, execution, name, plain)


async def published(storage: MobStorage, run_id: str, name: str, timeout: float | timedelta | None) -> Any:
    """What a run has published, once it has; see `Fleet.get`."""
    checked_name(name)
    seconds = seconds_of(timeout)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    store = storage.executions
    async with store.listen(run_id) as wake_up:
        while True:
            found = await store.published(run_id, name)
            if found is None:
                raise NotFoundError.of_run(run_id, storage.namespace)
            if found.is_there:
                return found.value
            if found.is_over:
                raise NotFoundError(f"run {run_id} is over, and has published nothing as {shown(name)}")
            left = min(deadline - loop.time(), SWEEP_SECONDS)
            if left <= 0:
                raise WaitTimeoutError(f"run {run_id} has published nothing as {shown(name)} within {seconds:g} s")
            await wake_up.wait(left)


def checked_name(name: str) -> str:
    """The same name, if a value can be published under it. Raises ValidationError."""
    if not 0 < len(valid_text("key", name).encode()) <= MOST_BYTES_OF_KEY:
        raise ValidationError(f"key must be a text of 1 to {MOST_BYTES_OF_KEY} bytes, not {shown(name)}")
    return name
