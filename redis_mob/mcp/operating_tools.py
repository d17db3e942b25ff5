"""Tools of operators: they look at the namespace, and with `--operate` they change it (contract: mcp-3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import to_jsonable_python

from redis_mob.fleet.signals import Signals
from redis_mob.mcp.desk import Desk
from redis_mob.mcp.run_handle import AskHandle
from redis_mob.mcp.run_tools import OfRun
from redis_mob.mcp.tool import MOST_ANSWER_BYTES, Answer, Arguments, Call, FixedTool, ServedTool, answer_of
from redis_mob.models.base import json_text
from redis_mob.models.run_status import MobRunStatus

MOST_RUNS = 100
"""Runs of one page."""

Limit = Annotated[int, Field(ge=1, le=MOST_RUNS, description="How many at most.")]


class ListArguments(Arguments):
    """Which runs."""

    mob: Annotated[str | None, Field(description="Only runs of this mob.")] = None
    flow: Annotated[str | None, Field(description="Only runs of this flow.")] = None
    statuses: Annotated[tuple[MobRunStatus, ...], Field(description="Only runs with one of these.")] = ()
    text: Annotated[str | None, Field(description="Only runs whose parameters have this text.")] = None
    limit: Limit = 20
    after: Annotated[str | None, Field(description="The next of the page before.")] = None


class InboxArguments(Arguments):
    """How many asks."""

    limit: Limit = 10


class NoArguments(Arguments):
    """Nothing."""


class PauseArguments(OfRun):
    """Which run, and why."""

    reason: Annotated[str | None, Field(description="Why, for those who look at it.")] = None


class DeleteArguments(OfRun):
    """Which run, and whether one that is not over is ended first."""

    cancel: Annotated[bool, Field(description="End it first, if it is not over.")] = False


class SignalArguments(OfRun):
    """A signal."""

    name: Annotated[str, Field(description="The name that a step waits for.")]
    payload: Annotated[Any, Field(description="What the step gets.")] = None
    idempotency_key: Annotated[str | None, Field(description="The same key sends it once.")] = None


def looking_tools(desk: Desk) -> Iterator[ServedTool]:
    """The tools that change nothing."""

    async def list_runs(_call: Call, given: ListArguments) -> Answer:
        page = await desk.admin.runs(
            limit=given.limit,
            after=given.after,
            mob_id=given.mob,
            flow_id=given.flow,
            statuses=given.statuses,
            text=given.text,
        )
        return answer_of(page.model_dump(mode="json"))

    async def show_run(_call: Call, given: OfRun) -> Answer:
        described = await desk.admin.describe(given.run_id)
        told = described.model_dump(mode="json", exclude={"failures": {"__all__": {"traceback"}}})
        for part in ("nodes", "failures"):
            if len(json_text(told).encode()) > MOST_ANSWER_BYTES:
                told |= {part: [], "left_out": f"its {part} are too long to be shown here: redis-mob show has them"}
        return answer_of(told)

    async def inbox(_call: Call, given: InboxArguments) -> Answer:
        found = await desk.admin.inbox(limit=given.limit)
        told = [
            {"run_id": one.run_id, "mob": one.mob_id, "flow": one.flow_id} | AskHandle.of(one).as_json()
            for one in found
        ]
        return answer_of({"asks": told})

    async def queues(_call: Call, _given: NoArguments) -> Answer:
        return answer_of({"queues": to_jsonable_python(await desk.admin.queues())})

    async def workers(_call: Call, _given: NoArguments) -> Answer:
        found = await desk.admin.workers()
        return answer_of({"workers": [to_jsonable_python(one._asdict()) for one in found]})

    yield FixedTool("list_runs", "The runs of the namespace, the newest first.", ListArguments, list_runs).served()
    yield FixedTool(
        "show_run", "A run with its steps and members: states, times, reasons, failures.", OfRun, show_run
    ).served()
    yield FixedTool("inbox", "What runs ask people, the oldest first.", InboxArguments, inbox).served()
    yield FixedTool("queues", "What waits and what is under way of each role.", NoArguments, queues).served()
    yield FixedTool("workers", "The workers that are alive.", NoArguments, workers).served()


def changing_tools(desk: Desk) -> Iterator[ServedTool]:
    """The tools that steer any run of the namespace."""

    async def pause_run(_call: Call, given: PauseArguments) -> Answer:
        return answer_of({"pause": (await desk.admin.pause(given.run_id, given.reason)).value})

    async def resume_run(_call: Call, given: OfRun) -> Answer:
        return answer_of({"resume": (await desk.admin.resume(given.run_id)).value})

    async def terminate_run(_call: Call, given: OfRun) -> Answer:
        return answer_of({"terminated": await desk.admin.terminate(given.run_id)})

    async def delete_run(_call: Call, given: DeleteArguments) -> Answer:
        await desk.admin.delete(given.run_id, cancel=given.cancel)
        return answer_of({"deleted": given.run_id})

    async def send_signal(_call: Call, given: SignalArguments) -> Answer:
        signals = Signals(desk.storage.executions, desk.storage.namespace)
        await signals.send(given.run_id, given.name, given.payload, idempotency_key=given.idempotency_key)
        return answer_of({"sent": given.name})

    yield FixedTool("pause_run", "Lets nothing new begin in a run.", PauseArguments, pause_run, changes=True).served()
    yield FixedTool("resume_run", "Lets a paused run go on.", OfRun, resume_run, changes=True).served()
    yield FixedTool(
        "send_signal", "Sends a run a signal that a step waits for.", SignalArguments, send_signal, changes=True
    ).served()
    yield FixedTool("terminate_run", "Ends a run at once.", OfRun, terminate_run, changes=True, destroys=True).served()
    yield FixedTool(
        "delete_run", "Deletes a run for good.", DeleteArguments, delete_run, changes=True, destroys=True
    ).served()
