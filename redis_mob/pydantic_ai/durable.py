"""An agent of pydantic-ai that goes on after a crash, with a storage and no fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability, WrapModelRequestHandler, WrapToolExecuteHandler
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.tools import ToolDefinition

from redis_mob.codec.checkpoints import decode_result, encode_result, result_field
from redis_mob.fleet.once import Once
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.handlers.agent_checkpoints import AgentCheckpoints
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.pydantic_ai.agent_runs import AgentRuns, run_name
from redis_mob.storage import MobStorage


@dataclass
class Durable(AbstractCapability[Any]):
    """Keeps what the model and the tools of an agent give; a run of the same `run_id` that follows asks neither again:
    `await agent.run(prompt, capabilities=[Durable(storage, "order-17")])`.

    A request is told apart by model, settings, tools and messages without their times, a call of a tool by its name,
    the id that the model gave it, and its arguments; what has changed is asked for again (contract: agent-1). So
    is the one that was under way when a process was killed: a tool that must not happen twice needs a key of its own
    for what it does. One run of an id is to be under way at a time. What is kept goes `ttl` after the last write;
    without it, it stays until `forget`.
    """

    storage: MobStorage
    run_id: str
    ttl: timedelta | None = None
    _checkpoints: AgentCheckpoints | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        run_name(self.run_id)
        self._runs = AgentRuns(self.storage, self.ttl)

    async def for_run(self, ctx: RunContext[Any]) -> AbstractCapability[Any]:
        """A capability for one run of the agent, which counts its calls from the first one."""
        own = Durable(self.storage, self.run_id, self.ttl)
        calls = _CallsOfRun(own._runs, run_name(self.run_id))
        # no budget bounds what runs outside of a fleet
        own._checkpoints = AgentCheckpoints(calls.once, Spending(KeptSpending()).spend)
        return own

    async def wrap_model_request(
        self,
        ctx: RunContext[Any],
        *,
        request_context: ModelRequestContext,
        handler: WrapModelRequestHandler,
    ) -> ModelResponse:
        """The response of the model, or what an earlier run has kept of it."""
        assert self._checkpoints is not None  # noqa: S101 - pydantic-ai calls this on what for_run has given
        return await self._checkpoints.response(request_context, handler)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """The result of the tool, or what an earlier run has kept of it."""
        assert self._checkpoints is not None  # noqa: S101 - pydantic-ai calls this on what for_run has given
        return await self._checkpoints.result(call, args, handler)

    async def forget(self) -> bool:
        """Delete all that is kept of the run, step events and snapshots too; False if there is nothing."""
        return await self._runs.delete_run(run_name(self.run_id))


class _CallsOfRun:
    """The calls of one run that are made once, kept in the storage."""

    def __init__(self, runs: AgentRuns, run: bytes) -> None:
        self._runs = runs
        self._run = run
        self._once = Once(self)

    async def once(self, name: str, function: Any, /, *args: Any, **named: Any) -> Any:
        """The result of a call: what was kept of it, or what it gives now."""
        return await self._once.call(_tell_none, name, function, args, named)

    async def find(self, name: str, ordinal: int, /) -> Checkpoint | None:
        """What an earlier run has kept."""
        found = await self._runs.find_record(self._run, result_field(name, ordinal))
        return None if found is None else decode_result(name, ordinal, found)

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        """Keep it in the place of the one before."""
        field_of_call = result_field(checkpoint.name, checkpoint.ordinal)
        await self._runs.put_record(self._run, field_of_call, encode_result(checkpoint))


async def _tell_none(_message: str, _data: Mapping[str, Any]) -> None:
    """A run outside of a fleet has none that watch it."""
