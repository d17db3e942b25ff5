"""The routes of the graph of a run and of its past."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.kernel.seeds import loop_instance_id
from redis_mob.models.flow import FrameScope
from redis_mob.models.transition import RunView
from redis_mob.operations.past_reading import ReadPast, read_past
from redis_mob.past.run_events import checked_run_id
from redis_mob.past.time_travel import NodeMoment, RunMoment, node_id
from redis_mob.ui.answers import reply
from redis_mob.ui.context import services, user
from redis_mob.ui.feed.messages import small
from redis_mob.ui.picture import picture_of
from redis_mob.ui.run_views import event_told

MOST_KEPT = 8
"""Runs whose past is kept between requests: a slider asks for many moments of one."""


def routes() -> list[Route]:
    """`/picture`, `/at` and `/history` of a run."""
    return [
        Route("/api/runs/{run_id}/picture", _picture),
        Route("/api/runs/{run_id}/at", _at),
        Route("/api/runs/{run_id}/history", _history),
    ]


def iterations_in(view: RunView) -> dict[str, int]:
    """How many iterations each loop of a run has begun, by frame and node."""
    loops = {loop.kernel_state.loop_instance_id: loop.kernel_state for loop in view.run.loops.values()}
    frames = (frame.kernel_state for frame in view.run.frames.values())
    begun = Counter(frame.loop_instance_id for frame in frames if frame.frame_scope is FrameScope.BODY)
    return {
        node_id(loop.parent_frame_id, loop.parent_node_id): begun[
            loop_instance_id(loop.parent_frame_id, loop.parent_node_id)
        ]
        for loop in loops.values()
    }


async def _picture(request: Request) -> Response:
    user(request)
    storage = services(request).storage
    run_id = checked_run_id(request.path_params["run_id"])
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    definition = await storage.executions.get_definition(view.launch.definition)
    members = {role: len(names) for role, names in view.launch.members.items()}
    flow = flow_of_run(definition, view.run)
    return reply(picture_of(flow, run_id, iterations_in(view), members).as_json())


async def _at(request: Request) -> Response:
    user(request)
    cursor, since = _number(request, "cursor"), _number(request, "since")
    read = await _past(request, cursor)
    newest = read.past.cursors[-1] if read.past.cursors else 0
    moment = read.past.at(newest if cursor is None else cursor)
    before = None if since is None else read.past.at(since)
    nodes = {name: node for name, node in moment.nodes.items() if before is None or before.nodes.get(name) != node}
    told = {
        "cursor": moment.cursor,
        "at": moment.at,
        "status": moment.status,
        "states": {name: _state(node) for name, node in nodes.items()},
        "iterations": moment.iterations,
        "event": _event(read, moment),
    }
    if before is not None:
        told["gone"] = [name for name in before.nodes if name not in moment.nodes]
    return reply(told)


async def _history(request: Request) -> Response:
    user(request)
    read = await _past(request, None)
    events = sorted([*read.events, *read.actions], key=lambda event: event.cursor)
    return reply([small(event) for event in events])


async def _past(request: Request, cursor: int | None) -> ReadPast:
    """The past of a run, at least up to a cursor; None is now."""
    place = services(request)
    run_id = checked_run_id(request.path_params["run_id"])
    status = await place.storage.executions.status(run_id)
    if status is None:
        raise NotFoundError.of_run(run_id, place.storage.namespace)
    kept: dict[str, ReadPast] = _kept(request)
    known = kept.pop(run_id, None)
    if known is None or not _is_enough(known, cursor):
        known = await read_past(place.storage, run_id)
    kept[run_id] = known
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]
    return known


def _is_enough(known: ReadPast, cursor: int | None) -> bool:
    is_within = cursor is not None and bool(known.past.cursors) and cursor <= known.past.cursors[-1]
    return known.view.run.status.is_terminal or is_within


def _kept(request: Request) -> dict[str, ReadPast]:
    state: Any = request.app.state
    if not hasattr(state, "pasts"):
        state.pasts = dict[str, ReadPast]()
    kept: dict[str, ReadPast] = state.pasts
    return kept


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None or value == "":
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise ValidationError(f"{name} must be the cursor of an event, a number of 0 or more, not {shown(value)}")
    return int(value)


def _state(node: NodeMoment) -> dict[str, Any]:
    return {"state": node.state, "since": node.since, "members": node.members, "completed": node.completed}


def _event(read: ReadPast, moment: RunMoment) -> Any:
    place = read.past.cursors.index(moment.cursor) if moment.cursor else -1
    return event_told(read.events[place]) if place >= 0 else None
