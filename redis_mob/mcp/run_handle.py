"""What a client is told of a run: its outputs once it is completed, and until then where it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from redis_mob.codec.definitions import flow_of_run
from redis_mob.fleet.asks import unanswered_of
from redis_mob.fleet.limit_waits import limited_work, loads_of
from redis_mob.fleet.run_end import why_failed
from redis_mob.fleet.run_wait import why_not_over
from redis_mob.fleet.said import bounded
from redis_mob.fleet.subflows import output_of_flow
from redis_mob.models.ask import PendingAsk
from redis_mob.models.base import json_text
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage

MOST_OUTPUT_BYTES = 64 * 1024
"""How long outputs may be as JSON that a handle has; longer ones are read in pieces."""

MOST_PAYLOAD_BYTES = 8 * 1024
"""How much of what an ask is about is told."""

MOST_REASON_BYTES = 4 * 1024
"""How much of the reason is told for which a run failed, or is not over."""

MOST_ASKS = 10
"""Asks of one run that are told."""

POLL_SECONDS = 5
"""When a client should look at a run again that is not over."""

Status = Literal["working", "input_required", "completed", "failed", "cancelled"]

_OVER: dict[MobRunStatus, Status] = {
    MobRunStatus.COMPLETED: "completed",
    MobRunStatus.FAILED: "failed",
    MobRunStatus.CANCELED: "cancelled",
}


class AskHandle(BaseModel):
    """A question of a handler to people, which waits for an answer."""

    model_config = ConfigDict(frozen=True)

    ask_id: str
    step: str
    kind: str
    payload: Annotated[Any, Field(description="What is to be approved.")] = None
    payload_beginning: Annotated[
        str | None, Field(description="In the place of a payload that is too long: its JSON, cut.")
    ] = None
    value_schema: Annotated[Any, Field(description="What another value has to fit that is approved instead.")] = None
    asked_at: datetime
    until: datetime | None = None

    @classmethod
    def of(cls, pending: PendingAsk) -> Self:
        """The handle of an ask."""
        ask, text, schema = pending.ask, json_text(pending.ask.payload), json_text(pending.ask.value_schema)
        is_long = len(text.encode()) > MOST_PAYLOAD_BYTES
        return cls(
            ask_id=ask.id,
            step=pending.step_id,
            kind=ask.kind,
            payload=None if is_long else ask.payload,
            payload_beginning=bounded(text, MOST_PAYLOAD_BYTES) if is_long else None,
            value_schema=None if len(schema.encode()) > MOST_PAYLOAD_BYTES else ask.value_schema,
            asked_at=ask.asked_at,
            until=ask.until,
        )

    def as_json(self) -> dict[str, Any]:
        """The handle without what it does not say."""
        return self.model_dump(mode="json", exclude_none=True)


class RunHandle(BaseModel):
    """A run as a client of MCP is told of it (contract: mcp-4)."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    mob: str
    flow: str
    status: Status
    outputs: Annotated[Any, Field(description="What the flow gives, of a run that is completed.")] = None
    outputs_bytes: Annotated[
        int | None, Field(description="Outputs that are too long to stand here: read them with run_result.")
    ] = None
    asks: Annotated[tuple[AskHandle, ...], Field(description="What waits for the answer of a person.")] = ()
    reason: Annotated[str | None, Field(description="Why it failed, or what it waits for.")] = None
    poll_after_seconds: Annotated[int | None, Field(description="When to call run_status again.")] = None

    def as_json(self) -> dict[str, Any]:
        """The handle without what it does not say."""
        return self.model_dump(mode="json", exclude_none=True)


def handle_schema() -> dict[str, Any]:
    """The JSON schema of handles."""
    return RunHandle.model_json_schema(mode="serialization")


def asks_of(view: RunView) -> list[PendingAsk]:
    """What people are to answer in a run; nothing in one that is to be canceled."""
    return [] if view.cancel_requested or view.run.status.is_terminal else unanswered_of(view)


async def handle_of(storage: MobStorage, view: RunView) -> RunHandle:
    """What is told of a run that was read. Raises MobStoreError."""
    if not view.run.status.is_terminal:
        return await _under_way(storage, view)
    run = await storage.runs.get_run(view.run.run_id) or view.run
    if run.status is not MobRunStatus.COMPLETED:
        reason = bounded(why_failed(run.failure_ledger), MOST_REASON_BYTES)
        return _handle(run, _OVER[run.status], reason=reason if run.status is MobRunStatus.FAILED else None)
    outputs = output_of_flow(run, await flow_of(storage, view))
    length = len(json_text(outputs).encode())
    if length > MOST_OUTPUT_BYTES:
        return _handle(run, "completed", outputs_bytes=length)
    return _handle(run, "completed", outputs=outputs)


async def flow_of(storage: MobStorage, view: RunView) -> FlowSpec:
    """The flow of a run, by the definition that it was started with. Raises MobStoreError."""
    definition = await storage.executions.get_definition(view.launch.definition)
    return flow_of_run(definition, view.run)


async def _under_way(storage: MobStorage, view: RunView) -> RunHandle:
    asks = tuple(map(AskHandle.of, asks_of(view)[:MOST_ASKS]))
    limited = limited_work(view, await loads_of(storage, view))
    reason = bounded(why_not_over(view, await storage.executions.workers(), limited), MOST_REASON_BYTES)
    status = "input_required" if asks else "working"
    return _handle(view.run, status, asks=asks, reason=reason, poll_after_seconds=POLL_SECONDS)


def _handle(run: MobRun, status: Status, **told: Any) -> RunHandle:
    return RunHandle(run_id=run.run_id, mob=run.mob_id, flow=run.flow_id, status=status, **told)
