"""Asks in memory."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.codec import asks as codec
from redis_mob.codec.arguments import integer, optional_instance, text
from redis_mob.contracts import AskStore
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.memory.signals import put_signal
from redis_mob.models.ask import Answer, AskPlace, PendingAsk
from redis_mob.models.checkpoint import MOST_CHECKPOINTS
from redis_mob.models.transition import Transition


class MemoryAskStore(AskStore):
    """The contract's `AskStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def pending(self, *, after: AskPlace | None = None, limit: int = 100) -> Sequence[AskPlace]:
        begin = optional_instance("after", after, AskPlace)
        last = b"" if begin is None else codec.encode_place(begin)
        places = sorted(place for place in self._access.content.asks if place > last)
        return [codec.decode_place(place) for place in places[: max(integer("limit", limit), 0)]]

    async def answer(self, run_id: str, ask_id: str, answer: Answer, *, pending: PendingAsk | None) -> bool:
        content, key, named = self._access.content, run_key(run_id), text("ask_id", ask_id)
        identity, known = codec.identity_of_answer(answer), optional_instance("pending", pending, PendingAsk)
        given = None if known is None else codec.encode_answer(key, named, answer, known)
        receipt, run = codec.receipt_of_answer(named), existing_run(content, run_id)
        if given is None or given.place not in content.asks:
            answered = content.answers[key].get(receipt)
            if answered is not None:
                if answered != identity:
                    raise codec.answered_otherwise(run_id, ask_id)
                return False
            if run.status.is_terminal:
                raise codec.asks_no_more(run_id, ask_id)
            raise codec.not_pending(run_id, ask_id)
        if run.status.is_terminal:
            raise codec.asks_no_more(run_id, ask_id)
        checkpoints = content.checkpoints[key]
        if given.field not in checkpoints and len(checkpoints) >= MOST_CHECKPOINTS:
            raise codec.no_room_for_answer(run_id, ask_id)
        checkpoints[given.field] = given.record
        content.asks.discard(given.place)
        content.answers[key][receipt] = identity
        put_signal(content, run, copied(given.news))
        return True

    async def forget(self, run_id: str, places: Sequence[AskPlace]) -> bool:
        content, gone = self._access.content, codec.encode_places(run_key(run_id), places)
        run = content.runs.get(run_key(run_id))
        if run is not None and not run.status.is_terminal:
            return False
        content.asks.difference_update(gone)
        return True


def are_pending(content: Namespace, transition: Transition) -> bool:
    """Whether no ask was answered whose time is over by a transition."""
    return all(sign != b"!" or place in content.asks for sign, place in codec.ask_changes(transition))


def change_asks(content: Namespace, transition: Transition) -> None:
    """Enter what is asked, and take out what is not asked any more."""
    for sign, place in codec.ask_changes(transition):
        if sign == b"+":
            content.asks.add(place)
        else:
            content.asks.discard(place)
    for key, _ in transition.late_asks:
        content.checkpoints[transition.run.run_id].update(codec.late_checkpoints(transition, key))
