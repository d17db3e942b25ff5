"""What handlers ask people in all runs of a namespace, and how it is answered (contract: ask-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis_mob.codec.arguments import flag, integer, optional_instance, optional_valid_text, valid_text
from redis_mob.codec.checkpoints import answer_of, asked_kind
from redis_mob.errors import NotFoundError, ValidationError, shortened, shown
from redis_mob.fleet.asks import pending_of
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, most_bytes, too_long
from redis_mob.fleet.schemas import check_schema
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.ask import LONGEST_MESSAGE, Answer, AnsweredAsk, Ask, AskPlace, PendingAsk
from redis_mob.models.base import canonical_run_id
from redis_mob.models.execution import RunLaunch
from redis_mob.operations.forking import UNCHANGED
from redis_mob.storage import MobStorage

SHORTEST_BEGINNING = 4
"""Digits of the beginning of an id that names an ask."""

_PAGE = 500
"""Places that are looked at in one go."""

_AT_A_TIME = 16
"""Runs that are read at a time."""

MOST_NAMED = 5
"""Asks that an error names."""


class GivenAnswer(NamedTuple):
    """An answer as it was given; without a value it approves what was asked for."""

    approved: bool
    value: Any
    message: str | None
    by: str | None

    @classmethod
    def of(cls, answer: Answer) -> GivenAnswer:
        """The same answer, as it is given."""
        has_value = answer.edited or answer.value is not None
        return cls(answer.approved, answer.value if has_value else UNCHANGED, answer.message, answer.by)


class _Found(NamedTuple):
    """An ask, None unless it is pending; in which run, its whole id, and what the run was started with."""

    run_id: str
    ask_id: str
    pending: PendingAsk | None
    launch: RunLaunch


async def inbox(storage: MobStorage, limit: int, after: AskPlace | None) -> tuple[PendingAsk, ...]:
    """See `FleetAdmin.inbox`."""
    most, found = max(integer("limit", limit), 0), list[PendingAsk]()
    after = optional_instance("after", after, AskPlace)
    while len(found) < most:
        size = min(_PAGE, most - len(found))
        places = await storage.asks.pending(after=after, limit=size)
        found += await _asks_at(storage, places)
        if len(places) < size:
            break
        after = places[-1]
    return tuple(found)


async def number_of_asks(storage: MobStorage, *, most: int | None = None) -> int:
    """How many asks wait for an answer in a namespace, or `most`. They are counted by reading where they are."""
    number, after = 0, None
    while (most is None or number < most) and (places := await storage.asks.pending(after=after, limit=_PAGE)):
        number, after = number + len(places), places[-1]
        if len(places) < _PAGE:
            break
    return number


async def _asks_at(storage: MobStorage, places: Sequence[AskPlace]) -> list[PendingAsk]:
    """What is asked at these places, as far as it is still pending; those of runs that are over are taken out."""
    runs = list(dict.fromkeys(place.run_id for place in places))
    read: dict[tuple[str, str], PendingAsk] = {}
    for at in range(0, len(runs), _AT_A_TIME):
        for asks in await asyncio.gather(*(_asks_of(storage, run_id) for run_id in runs[at : at + _AT_A_TIME])):
            read |= {(ask.run_id, ask.ask.id): ask for ask in asks}
    lost = [place for place in places if place[1:] not in read]
    for run_id in dict.fromkeys(place.run_id for place in lost):
        await storage.asks.forget(run_id, [place for place in lost if place.run_id == run_id])
    return [read[place[1:]] for place in places if place[1:] in read]


async def _asks_of(storage: MobStorage, run_id: str) -> list[PendingAsk]:
    view = await storage.executions.load(run_id)
    return [] if view is None or view.run.status.is_terminal else pending_of(view)


async def answers(storage: MobStorage, run_id: str) -> tuple[AnsweredAsk, ...]:
    """See `FleetAdmin.answers`."""
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(canonical_run_id(run_id), storage.namespace)
    found: list[AnsweredAsk] = []
    for key, checkpoints in (await storage.checkpoints.of_run(run_id)).items():
        execution = view.executions.get(key)
        # an execution of an item that is over is kept aside: what is known of its node names the step, too
        of_node = view.progress.get(key.node) if execution is None else execution
        step_id = key.node_id if of_node is None else of_node.step_id
        found += (
            AnsweredAsk(
                run_id=view.run.run_id,
                step_id=step_id,
                frame_id=key.frame_id,
                node_id=key.node_id,
                target=key.target,
                kind=kind,
                ordinal=one.ordinal,
                answer=answer_of(one),
            )
            for one in checkpoints
            if (kind := asked_kind(one)) is not None
        )
    return tuple(found)


async def answer(storage: MobStorage, ask_id: str, given: GivenAnswer, run_id: str | None) -> bool:
    """See `FleetAdmin.answer`."""
    checked = _checked(given)
    found = await _found(storage, valid_text("ask_id", ask_id), run_id)
    if found.pending is not None:
        _require_fitting(found.pending.ask, checked, found.launch)
    return await storage.asks.answer(found.run_id, found.ask_id, checked, pending=found.pending)


def _checked(given: GivenAnswer) -> Answer:
    edited = given.value is not UNCHANGED
    if edited and not flag("approved", given.approved):
        raise ValidationError("a denial has no value: give a message, or approve with the value")
    for name in ("message", "by"):
        text = optional_valid_text(name, getattr(given, name))
        if text is not None and len(text) > LONGEST_MESSAGE:
            raise ValidationError(f"{name} has {len(text):,} characters, and may have {LONGEST_MESSAGE:,} at most")
    try:
        value = output_json(given.value, MAX_OUTPUT_DEPTH) if edited else None
    except ValueError as error:
        raise ValidationError(f"the value is refused: {shortened(error)}") from None
    return Answer(
        approved=flag("approved", given.approved), value=value, edited=edited, message=given.message, by=given.by
    )


def _require_fitting(ask: Ask, answer: Answer, launch: RunLaunch) -> None:
    if not answer.approved:
        return
    value = answer.value if answer.edited else ask.payload
    if (problem := too_long(value, most_bytes(launch), "answer with")) is not None:
        raise ValidationError(f"the value is {problem}")
    if ask.value_schema is None:
        return
    try:
        check_schema(value, ask.value_schema)
    except ValueError as error:
        what = "the value" if answer.edited else "what was asked for"
        advice = "" if answer.edited else "; give a value that does"
        raise ValidationError(f"ask {shown(ask.id)}: {what} is refused: {shortened(error)}{advice}") from None


async def _found(storage: MobStorage, ask_id: str, run_id: str | None) -> _Found:
    """The ask of an id, or of a beginning that only one has which is pending; with a run also one that is not."""
    named = optional_valid_text("run_id", run_id)
    if named is None:
        place = await _place_of(storage, ask_id)
        named, ask_id = place.run_id, place.ask_id
    view = await storage.executions.load(named)
    if view is None:
        raise NotFoundError.of_run(named, storage.namespace)
    asks = [one for one in pending_of(view) if one.ask.id.startswith(ask_id) and len(ask_id) >= SHORTEST_BEGINNING]
    if len(asks) > 1:
        raise _ambiguous(ask_id, [one.ask.id for one in asks])
    if asks:
        return _Found(asks[0].run_id, asks[0].ask.id, asks[0], view.launch)
    return _Found(canonical_run_id(named), ask_id, None, view.launch)


async def _place_of(storage: MobStorage, ask_id: str) -> AskPlace:
    if len(ask_id) < SHORTEST_BEGINNING:
        raise ValidationError(f"{shown(ask_id)} names no ask: give at least {SHORTEST_BEGINNING} digits of its id")
    after, found = None, list[AskPlace]()
    while places := await storage.asks.pending(after=after, limit=_PAGE):
        found += (place for place in places if place.ask_id.startswith(ask_id))
        after = places[-1]
        if len(places) < _PAGE:
            break
    if len(found) > 1:
        raise _ambiguous(ask_id, [place.ask_id for place in found])
    if not found:
        raise NotFoundError(
            f"no ask is pending whose id begins with {shown(ask_id)} in namespace {shown(storage.namespace)}: it is "
            "answered, its time is over, or there was none; name its run too (--run RUN, run_id=...), which tells that"
        )
    return found[0]


def _ambiguous(ask_id: str, ids: Sequence[str]) -> ValidationError:
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return ValidationError(
        f"{shown(ask_id)} names {len(ids):,} asks: {', '.join(ids[:MOST_NAMED])}{more}; give more digits"
    )
