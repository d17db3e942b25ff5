"""The routes of one run: what it is like, its definition, its events."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.errors import NotFoundError
from redis_mob.models.events import MobEvent
from redis_mob.operations.inspection import describe
from redis_mob.operations.run_description import RunDescription
from redis_mob.past.run_events import beginning_of, checked_run_id
from redis_mob.ui.answers import number_in, raw, reply
from redis_mob.ui.bounds import MOST_IN_PASSING, bounded, clipped, json_text
from redis_mob.ui.context import services
from redis_mob.ui.feed.hub import Hub
from redis_mob.ui.feed.messages import action_told
from redis_mob.ui.log_pages import pages_about
from redis_mob.ui.refusals import GoneError

MOST_EVENTS = 1_000
"""Events of one page."""

_QUOTE, _LONG = b'\\"', re.compile(rb'"[^"]{%d}' % MOST_IN_PASSING)
"""A quote within a text of JSON; and what JSON without such quotes has if it has a long text."""

MOST_ITEMS = 1_000
"""Items that are over and told with the attempts of a run."""

MOST_FAILURES = 100
"""Failures that are told with a run."""


def routes() -> list[Route]:
    """These routes."""
    return [
        Route("/api/runs/{run_id}", run),
        Route("/api/runs/{run_id}/definition", definition),
        Route("/api/runs/{run_id}/params", params),
        Route("/api/runs/{run_id}/events", events),
    ]


async def run(request: Request) -> Response:
    """A run as it is now, with the attempts of its members unless `attempts` is "no"; long texts are cut."""
    at, run_id = services(request), run_id_in(request)
    try:
        # attempts are read from the log, and cost more than all the rest
        attempts = request.query_params.get("attempts") != "no"
        found = await describe(
            at.storage,
            run_id,
            outputs=False,
            attempts=attempts,
            definitions=at.definitions,
            items=MOST_ITEMS if attempts else 0,
        )
    except NotFoundError as error:
        raise gone_or(error, request, run_id) from None
    return raw(await asyncio.to_thread(_described, found))


async def definition(request: Request) -> Response:
    """The definition that a run was started with."""
    at, run_id = services(request), run_id_in(request)
    view = await at.storage.executions.load(run_id)
    if view is None:
        raise gone_or(NotFoundError.of_run(run_id, at.storage.namespace), request, run_id)
    return reply(await at.storage.executions.get_definition(view.launch.definition))


async def params(request: Request) -> Response:
    """The parameters of a run as text, however long with `whole`."""
    at, run_id = services(request), run_id_in(request)
    view = await at.storage.executions.load(run_id)
    if view is None:
        raise gone_or(NotFoundError.of_run(run_id, at.storage.namespace), request, run_id)
    text = json_text(view.run.activation_params)
    return download(text, f"{run_id}-params") if "whole" in request.query_params else reply(bounded(text))


async def events(request: Request) -> Response:
    """A page of the events of a run, from its beginning or from behind a cursor; `next` is None at the end of the log.

    A page may be empty and have a `next`, where events of many other runs come between.
    """
    at, run_id = services(request), run_id_in(request)
    summary = await at.storage.operations.summary(run_id)
    if summary is None:
        raise gone_or(NotFoundError.of_run(run_id, at.storage.namespace), request, run_id)
    limit = number_in(request, "limit", 200, MOST_EVENTS, least=1)
    after = number_in(request, "after", 0)
    if not after:
        after = await beginning_of(at.storage.events, run_id, summary.launched_at or summary.created_at)
    found: list[MobEvent] = []
    following: int | None = after
    async for of_run, following in pages_about(at.storage.events, run_id, after, summary.completed_at):
        room = limit - len(found)
        found += of_run[:room]
        if len(of_run) > room:
            following = found[-1].cursor
            break
    return reply({"events": [event_told(event) for event in found], "next": following})


def run_id_in(request: Request) -> str:
    """The run that a path names. Raises ValidationError for what is no id of one."""
    return checked_run_id(request.path_params["run_id"])


def gone_or(error: NotFoundError, request: Request, run_id: str) -> Exception:
    """That a run is deleted, if it was there lately, or else the error (contract: ui-14)."""
    hub: Hub = request.app.state.hub
    return GoneError(f"run {run_id} is deleted") if hub.has_seen(run_id) else error


def download(text: str, name: str) -> Response:
    """A text that a browser stores, and does not show."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
    headers = {
        "Content-Disposition": f'attachment; filename="{plain[:100]}.txt"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(text.encode("utf-8", "replace"), headers=headers, media_type="text/plain; charset=utf-8")


def _described(run: RunDescription) -> bytes:
    """The JSON of a run, whose long texts are cut: it may have ten thousand steps, so that it is made at once."""
    in_all = len(run.failures)
    told = run.model_copy(update={"failures": run.failures[-MOST_FAILURES:]}).model_dump_json().encode()
    if _LONG.search(told.replace(_QUOTE, b"''")) is not None:
        told = to_json(clipped(from_json(told)))
    return b'{"failures_in_all":%d,%b' % (in_all, told[1:])


def event_told(event: MobEvent) -> dict[str, Any]:
    """An event without what is secret, whose long values are cut."""
    kind = event.model_dump(mode="json", include={"kind"}, exclude={"kind": {"principal_token"}})["kind"]
    told: dict[str, Any] = {"cursor": event.cursor, "timestamp": event.timestamp, "mob_id": event.mob_id}
    if (action := action_told(event)) is not None:
        told["action"] = action
    return {**told, "kind": {name: _short(value) for name, value in kind.items()}}


def _short(value: Any) -> Any:
    """A value of an event; one that is long, as parameters may be, is told by the beginning of its JSON."""
    text = json_text(value)
    return value if len(text) <= MOST_IN_PASSING else bounded(text, MOST_IN_PASSING)
