"""Tools for the runs that flows have started: how they stand, what they give, what they ask (contract: mcp-5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from redis_mob.errors import CasConflictError, NotFoundError, nearest, shown
from redis_mob.fleet.subflows import output_of_flow
from redis_mob.kernel.context import visible_context
from redis_mob.mcp.desk import Desk
from redis_mob.mcp.following import view_of
from redis_mob.mcp.run_handle import flow_of, handle_schema
from redis_mob.mcp.tool import Answer, Arguments, Call, FixedTool, ServedTool, answer_of
from redis_mob.models.base import json_text
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.asks import GivenAnswer
from redis_mob.operations.forking import UNCHANGED

LONGEST_WAIT = 300
"""Seconds that one call waits at most."""

PIECE = 32 * 1024
"""Characters of outputs that one call gives."""

RunId = Annotated[str, Field(description="The id of the run, as a flow's tool or list_runs gives it.")]


class OfRun(Arguments):
    """A run."""

    run_id: RunId


class StatusArguments(OfRun):
    """Which run, and how long its end is waited for."""

    wait_seconds: Annotated[
        float | None,
        Field(ge=0, le=LONGEST_WAIT, description="How long to wait for its end, or for what it asks."),
    ] = None


class ResultArguments(OfRun):
    """Which outputs, from where on."""

    step: Annotated[str | None, Field(description="Only the output of this step, also while the run goes on.")] = None
    offset: Annotated[int, Field(ge=0, description="The next_offset of the piece before.")] = 0


class AnswerArguments(OfRun):
    """An answer."""

    ask_id: Annotated[str, Field(description="The id of the ask, from the asks of the run.")]
    approve: Annotated[bool, Field(description="Whether what is asked for may be done.")]
    value: Annotated[Any, Field(description="Approve this instead of what was asked for; null is nothing.")] = None
    message: Annotated[str | None, Field(description="What to tell the handler.")] = None


def run_tools(desk: Desk) -> Iterator[ServedTool]:
    """The tools for runs that this desk has."""
    schema = handle_schema()

    async def status(call: Call, given: StatusArguments) -> Answer:
        return await desk.followed(call, given.run_id, given.wait_seconds)

    async def result(_call: Call, given: ResultArguments) -> Answer:
        return await _piece(desk, given)

    async def cancel(call: Call, given: OfRun) -> Answer:
        await desk.steered(given.run_id)
        await desk.admin.cancel(given.run_id)
        return await desk.followed(call, given.run_id)

    async def answer(call: Call, given: AnswerArguments) -> Answer:
        await desk.steered(given.run_id)
        value = UNCHANGED if given.value is None else given.value
        await desk.give(given.run_id, given.ask_id, GivenAnswer(given.approve, value, given.message, call.by))
        return await desk.followed(call, given.run_id)

    yield FixedTool(
        "run_status",
        "How a run stands: working, input_required (a person is asked something), completed with its outputs, failed, "
        "or cancelled. Waits a while for its end.",
        StatusArguments,
        status,
        output_schema=schema,
    ).served()
    yield FixedTool(
        "run_result",
        "The outputs of a run as JSON text, in pieces: for those that are too long for run_status, or of one step.",
        ResultArguments,
        result,
    ).served()
    if desk.mob_id is not None or desk.operates:
        yield FixedTool(
            "cancel_run",
            "Cancels a run that is not over. What its handlers have done stays done.",
            OfRun,
            cancel,
            changes=True,
            destroys=True,
            output_schema=schema,
        ).served()
    if desk.answers or desk.operates:
        yield FixedTool(
            "answer_ask",
            "Answers what a run asks, so that it goes on. Only for what the user has decided: asks are for people.",
            AnswerArguments,
            answer,
            changes=True,
            destroys=True,
            output_schema=schema,
        ).served()


async def _piece(desk: Desk, given: ResultArguments) -> Answer:
    view = await view_of(desk.storage, given.run_id)
    run, flow = await desk.storage.runs.get_run(view.run.run_id) or view.run, await flow_of(desk.storage, view)
    if given.step is not None:
        outputs = visible_context(run, flow).steps
        if given.step not in outputs:
            raise NotFoundError(
                f"run {run.run_id} has no output of step {shown(given.step)}; {nearest(given.step, outputs)}"
            )
        text = json_text(outputs[given.step])
    elif run.status is MobRunStatus.COMPLETED:
        text = json_text(output_of_flow(run, flow))
    else:
        raise CasConflictError(f"run {run.run_id} is {run.status}, and not completed: name a step, or ask run_status")
    end = given.offset + PIECE
    return answer_of(
        {
            "run_id": run.run_id,
            "json": text[given.offset : end],
            "characters": len(text),
            "next_offset": end if end < len(text) else None,
        }
    )
