"""The routes of lists: runs, how many there are, mobs and flows to choose from, and what people are asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from redis_mob.errors import NotFoundError, ValidationError, did_you_mean, shown
from redis_mob.models.ask import AskPlace
from redis_mob.models.labels import attribute_text
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunSummary
from redis_mob.operations.run_list import Conditions
from redis_mob.ui.answers import number_in, reply
from redis_mob.ui.bounds import MOST_BYTES, clipped
from redis_mob.ui.context import PageServices, services

MOST_RUNS = 200
"""Runs of one page."""

MOST_LOOKED_AT = 2_000
"""Runs that are compared with a text for one page."""

MOST_ASKS = 200

MOST_DEFINITIONS = 500
"""Definitions whose mobs and flows are told."""

_BEGINNING = re.compile(r"[0-9a-fA-F-]{4,36}")


def routes() -> list[Route]:
    """These routes."""
    return [
        Route("/api/runs", runs),
        Route("/api/runs/count", count),
        Route("/api/mobs", mobs),
        Route("/api/asks", asks),
    ]


async def runs(request: Request) -> Response:
    """A page of runs, the newest first. With a text: the run whose id begins so, or those whose rows contain it."""
    at, which = services(request), _conditions(request)
    limit = number_in(request, "limit", 50, MOST_RUNS, least=1)
    after = request.query_params.get("after") or None
    text = request.query_params.get("text", "").strip()
    if text and after is None and (found := await _by_id(at, text)) is not None:
        return reply({"runs": [found], "next": None})
    if text:
        return await _matching(at, which, text.casefold(), limit, after)
    page = await at.admin.runs(limit=limit, after=after, **which)
    return reply({"runs": page.runs, "next": page.next, "now": page.now})


async def count(request: Request) -> Response:
    """How many runs there are of each status; without further conditions it costs the same for any number of runs."""
    return reply(await services(request).admin.count(**_conditions(request)))


async def mobs(request: Request) -> Response:
    """The mobs of which runs or schedules are stored, and their flows."""
    at, known = services(request), dict[str, set[str]]()
    digests = await at.storage.operations.definitions()
    for digest in digests[:MOST_DEFINITIONS]:
        # what a digest stands for never changes
        names: dict[str, tuple[str, tuple[str, ...]]] = request.app.state.definition_names
        if digest not in names:
            try:
                definition = await at.storage.executions.get_definition(digest)
            except NotFoundError:
                continue
            names[digest] = definition.id, tuple(definition.flows)
        mob_id, flows = names[digest]
        known.setdefault(mob_id, set()).update(flows)
    return reply({"mobs": [{"mob_id": mob_id, "flows": sorted(flows)} for mob_id, flows in sorted(known.items())]})


async def asks(request: Request) -> Response:
    """What waits for an answer, the oldest first."""
    limit = number_in(request, "limit", 50, MOST_ASKS, least=1)
    found = await services(request).admin.inbox(limit=limit, after=_place(request.query_params.get("after")))
    following = "~".join((found[-1].place[0].isoformat(), *found[-1].place[1:])) if len(found) == limit else None
    told = [clipped(ask.model_dump(mode="json"), MOST_BYTES) for ask in found]
    return reply({"asks": told, "next": following})


async def _by_id(at: PageServices, text: str) -> RunSummary | None:
    """The one run whose id begins with a text, if that can be the beginning of one."""
    if _BEGINNING.fullmatch(text) is None or len(text.replace("-", "")) < 4:
        return None
    try:
        return await at.storage.operations.summary(await at.admin.find(text))
    except (NotFoundError, ValidationError):
        return None


async def _matching(at: PageServices, which: Conditions, text: str, limit: int, after: str | None) -> Response:
    found: list[RunSummary] = []
    for _ in range(MOST_LOOKED_AT // MOST_RUNS):
        page = await at.admin.runs(limit=MOST_RUNS, after=after, **which)
        found += (run for run in page.runs if any(text in one.casefold() for one in _texts(run)))
        after = page.next
        if after is None or len(found) >= limit:
            break
    return reply({"runs": found, "next": after})


def _texts(run: RunSummary) -> Iterable[str]:
    yield from (run.run_id, run.mob_id, run.flow_id, run.summary or "", run.failure or "")
    for name, value in run.attributes.items():
        yield f"{name}={attribute_text(value)}"


def _conditions(request: Request) -> Conditions:
    query = request.query_params
    which: Conditions = {}
    if mob_id := query.get("mob"):
        which["mob_id"] = mob_id
    if flow_id := query.get("flow"):
        which["flow_id"] = flow_id
    if statuses := [one for part in query.getlist("status") for one in part.split(",") if one]:
        which["statuses"] = [_status(one) for one in statuses]
    if attributes := dict(_attribute(one) for one in query.getlist("attribute") if one):
        which["attributes"] = attributes
    return which


def _status(text: str) -> MobRunStatus:
    try:
        return MobRunStatus(text)
    except ValueError:
        known = ", ".join(MobRunStatus)
        raise ValidationError(f"status {shown(text)}: it is one of {known}{did_you_mean(text, MobRunStatus)}") from None


def _attribute(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValidationError(f"attribute {shown(text)}: write NAME=VALUE")
    return name, value


def _place(text: str | None) -> AskPlace | None:
    if not text:
        return None
    parts = text.split("~")
    try:
        asked_at, run_id, ask_id = parts
        return AskPlace(datetime.fromisoformat(asked_at), run_id, ask_id)
    except ValueError:
        raise ValidationError(f"after {shown(text)}: give the `next` of a page of asks") from None
