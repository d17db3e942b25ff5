"""The routes of one step of a run: what it was asked, what it gave, how it failed, who executes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.errors import NotFoundError, shown
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.message import Media, Message, text_of_block
from redis_mob.operations.describing import StoredRun
from redis_mob.operations.inspection import stored_run, with_items
from redis_mob.operations.run_description import MemberDescription, RunDescription, StepDescription
from redis_mob.ui.answers import reply
from redis_mob.ui.bounds import bounded, clipped, json_text
from redis_mob.ui.context import PageServices, services
from redis_mob.ui.run_nodes import steps_of
from redis_mob.ui.run_views import download, gone_or, run_id_in

MOST_MEMBERS = 100
"""Members of a step that are told at a time."""

MOST_FAILURES = 50
MOST_PROGRESS = 100
_LOOKED_AT = 300


def routes() -> list[Route]:
    """These routes."""
    return [
        Route("/api/runs/{run_id}/steps/{step_id:path}", step),
        Route("/api/runs/{run_id}/output/{step_id:path}", output),
    ]


async def step(request: Request) -> Response:
    """A step in a frame, the latest one unless `frame` says which, and its members, or the one that `member` names."""
    at, run, frame_id, found = await _found(request)
    stored, described = run
    member = request.query_params.get("member") or None
    members = [one for one in found.members if member in (None, one.member)]
    named = [(ExecutionKey(frame_id, found.node_id, one.member), one) for one in members[:MOST_MEMBERS]]
    told = {
        "run_id": described.run_id,
        "frame_id": frame_id,
        "frames": [frame for frame, _ in steps_of(described, found.step_id)],
        **clipped(found.model_dump(mode="json", exclude={"members", "output"})),
        "output": None if found.output_bytes is None else bounded(json_text(found.output)),
        "members": [_member(stored.view.executions.get(key), one) for key, one in named],
        "members_in_all": len(members) if member or found.items is None else found.items.items,
        "failures": _failures(described, found.step_id, member),
        "progress": await _progress(at, described.run_id, frame_id, found.node_id, member),
    }
    return reply(told)


async def output(request: Request) -> Response:
    """The whole output of a step, or of one member of it, to be stored."""
    _, (stored, described), frame_id, found = await _found(request)
    member = request.query_params.get("member") or None
    value, has_value = found.output, found.output_bytes is not None
    if member is not None:
        execution = stored.view.executions.get(ExecutionKey(frame_id, found.node_id, member))
        value, has_value = (None, False) if execution is None else (execution.output, execution.is_over)
    if not has_value:
        raise NotFoundError(f"step {shown(found.step_id)} of run {described.run_id} has no output")
    return download(json_text(value), f"{described.run_id[:8]}-{found.step_id}")


async def _found(request: Request) -> tuple[PageServices, tuple[StoredRun, RunDescription], str, StepDescription]:
    at, run_id, step_id = services(request), run_id_in(request), request.path_params["step_id"]
    frame_id = request.query_params.get("frame") or None
    try:
        stored = await stored_run(at.storage, run_id, outputs=True, attempts=True, definitions=at.definitions)
    except NotFoundError as error:
        raise gone_or(error, request, run_id) from None
    described = await asyncio.to_thread(stored.described)
    steps = steps_of(described, step_id, frame_id)
    if not steps:
        where = "" if frame_id is None else f" in frame {shown(frame_id)}"
        raise NotFoundError(f"run {run_id} has no step {shown(step_id)}{where}")
    frame, found = steps[-1]
    if found.items is None:
        return at, (stored, described), frame, found
    member = request.query_params.get("member") or None
    stored = await with_items(at.storage, stored, MOST_MEMBERS, (frame, found.node_id), member)
    described = await asyncio.to_thread(stored.described)
    return at, (stored, described), *steps_of(described, step_id, frame)[-1]


def _member(execution: Execution | None, member: MemberDescription) -> dict[str, Any]:
    told: dict[str, Any] = clipped(member.model_dump(mode="json"))
    if execution is None:
        return {**told, "message": None, "output": None}
    has_output = execution.is_over and execution.output is not None
    return {
        **told,
        "message": bounded(message_text(execution.message)),
        "output": bounded(json_text(execution.output)) if has_output else None,
    }


def message_text(message: Message) -> str:
    """What a member is told, as text; of images and videos what they are."""
    if isinstance(message, str):
        return message
    return "\n".join(
        f"[{one.type}: {one.media_type}]" if isinstance(one, Media) else text_of_block(one) for one in message
    )


def _failures(run: RunDescription, step_id: str, member: str | None) -> Sequence[dict[str, Any]]:
    of_step = [one for one in run.failures if one.step_id == step_id and member in (None, one.member)]
    return [_failure(one.model_dump(mode="json")) for one in of_step[-MOST_FAILURES:]]


def _failure(told: dict[str, Any]) -> dict[str, Any]:
    traceback, reason = told.pop("traceback", None), told.pop("reason")
    texts = {"reason": bounded(reason), "traceback": None if traceback is None else bounded(traceback)}
    return {**clipped(told), **texts}


async def _progress(at: PageServices, run_id: str, frame_id: str, node_id: str, member: str | None) -> list[Any]:
    """The newest entries of a step, as far as they are among the newest ones of the run."""
    newest = (await at.storage.progress.read_after(run_id, 0, 1)).newest
    page = await at.storage.progress.read_after(run_id, max(newest - _LOOKED_AT, 0), _LOOKED_AT)
    of_step = [
        one
        for one in page.entries
        if (one.frame_id, one.node_id) == (frame_id, node_id) and member in (None, one.member)
    ]
    return of_step[-MOST_PROGRESS:]
