"""Asks that are pending, and their answers, as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from redis_mob.codec.arguments import instance, listed, moment, storable_json, text
from redis_mob.codec.checkpoints import answered_checkpoint, encode_checkpoint
from redis_mob.codec.executions import milliseconds, moment_of_milliseconds
from redis_mob.codec.packing import pack
from redis_mob.codec.signals import encode_signal
from redis_mob.errors import CasConflictError, NotFoundError, SerializationError, ValidationError, shown
from redis_mob.models.ask import ANSWER_NEWS, Answer, AskPlace, PendingAsk
from redis_mob.models.base import canonical_run_id, json_text
from redis_mob.models.checkpoint import MOST_CHECKPOINTS
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.signal import Signal
from redis_mob.models.transition import Transition

_TIME, _RUN, _ASK = 16, 36, 16
"""How many bytes of a place say when it was asked, in milliseconds, in which run, and which ask it is."""


def encode_place(place: AskPlace) -> bytes:
    """Where an ask stands among those that are pending, which are in lexical order.

    Raises ValidationError for what is none.
    """
    checked = instance("place", place, AskPlace)
    at, run_id, ask_id = moment("asked_at", checked.asked_at), _run_id(checked.run_id), text("ask_id", checked.ask_id)
    return b"%016d%b%b" % (milliseconds(at), run_id.encode(), ask_id.encode())


def _run_id(run_id: object) -> str:
    try:
        return canonical_run_id(text("run_id", run_id))
    except ValueError as error:
        raise ValidationError(f"a run is named by its id: {error}") from None


def encode_places(run_id: str, places: object) -> list[bytes]:
    """Places of asks of one run. Raises ValidationError for others."""
    found = [instance("places", place, AskPlace) for place in listed("places", places)]
    if other := next((place for place in found if _run_id(place.run_id) != run_id), None):
        raise ValidationError(f"places must be of run {run_id}, not of run {shown(other.run_id)}")
    return list(map(encode_place, found))


def decode_place(data: bytes) -> AskPlace:
    """The place of an ask. Raises SerializationError."""
    try:
        at, run_id, ask_id = data[:_TIME], data[_TIME : _TIME + _RUN], data[_TIME + _RUN :]
        if len(data) != _TIME + _RUN + _ASK:
            raise ValueError("it is cut short")
        return AskPlace(moment_of_milliseconds(int(at)), run_id.decode(), ask_id.decode())
    except ValueError as error:
        raise SerializationError(f"the place of an ask cannot be read: {error}") from error


def ask_changes(transition: Transition) -> Iterator[tuple[bytes, bytes]]:
    """How a transition changes what is pending, as lua/lib/asks reads it: a letter and a place."""
    run_id, late = transition.run.run_id, {ask.id for _, ask in transition.late_asks}
    for key, execution in transition.executions.items():
        before = transition.before.executions.get(key)
        earlier = () if before is None else before.asks
        if earlier == execution.asks:
            continue
        known, kept = {ask.id for ask in earlier}, {ask.id for ask in execution.asks}
        for ask in execution.asks:
            if ask.id not in known:
                yield b"+", encode_place(AskPlace(ask.asked_at, run_id, ask.id))
        for ask in earlier:
            if ask.id not in kept:
                yield b"!" if ask.id in late else b"-", encode_place(AskPlace(ask.asked_at, run_id, ask.id))


def late_checkpoints(transition: Transition, key: ExecutionKey) -> Iterator[tuple[bytes, bytes]]:
    """Field and record of each checkpoint that says of an ask of an execution that its time is over."""
    for of, ask in transition.late_asks:
        if of == key:
            yield encode_checkpoint(key, answered_checkpoint(ask.kind, ask.ordinal, ask.digest, None))


class EncodedAnswer(NamedTuple):
    """The place of an ask, field and record of the checkpoint by which its handler finds the answer, and the signal by
    which its run goes on, with its record."""

    place: bytes
    field: bytes
    record: bytes
    news: Signal
    signal: bytes


def encode_answer(run_id: str, ask_id: str, answer: Answer, pending: PendingAsk) -> EncodedAnswer:
    """What answers an ask. Raises ValidationError for another one than that of this run and id, and as the encoders of
    its parts."""
    checked = instance("pending", pending, PendingAsk)
    storable_json("the ask", lambda: checked.model_dump_json(warnings="error").encode(), PendingAsk.model_validate_json)
    if (checked.run_id, checked.ask.id) != (run_id, ask_id):
        raise ValidationError(
            f"pending must be ask {shown(ask_id)} of run {run_id}, not {shown(checked.ask.id)} of run {checked.run_id}"
        )
    ask = checked.ask
    checkpoint = answered_checkpoint(ask.kind, ask.ordinal, ask.digest, answer)
    key = checked.frame_id, checked.node_id, checked.target
    news = Signal(name=ANSWER_NEWS, payload={"key": list(key), "ask": ask_id})
    return EncodedAnswer(
        encode_place(checked.place), *encode_checkpoint(ExecutionKey(*key), checkpoint), news, encode_signal(news)
    )


def answered_in(signal: Signal) -> tuple[ExecutionKey, str] | None:
    """(execution, id of its ask) of a signal that tells of an answer; None of any other one."""
    if signal.name != ANSWER_NEWS or not isinstance(signal.payload, dict):
        return None
    told = cast("dict[str, Any]", signal.payload)
    return ExecutionKey(*told["key"]), told["ask"]


def receipt_of_answer(ask_id: str) -> bytes:
    """The field of the index of a run that says that an ask was answered."""
    return b"k" + pack(("ask", text("ask_id", ask_id)))


def identity_of_answer(answer: Answer) -> str:
    """What is equal for equal answers. Raises ValidationError for another class, InternalError for no JSON."""
    checked = instance("answer", answer, Answer)
    storable_json("the answer", lambda: checked.model_dump_json(warnings="error").encode(), Answer.model_validate_json)
    told = checked.model_dump(mode="json")
    return blake2b(json_text(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def answered_otherwise(run_id: str, ask_id: str) -> CasConflictError:
    """The error of an answer to an ask that has another one."""
    return CasConflictError(f"ask {shown(ask_id)} of run {run_id} is answered already, and otherwise")


def asks_no_more(run_id: str, ask_id: str) -> CasConflictError:
    """The error of an answer to an ask of a run that is over."""
    return CasConflictError(f"run {run_id} is over: it does not need an answer to ask {shown(ask_id)} any more")


def not_pending(run_id: str, ask_id: str) -> NotFoundError:
    """The error of an answer to what is not asked."""
    return NotFoundError(
        f"run {run_id} does not wait for an answer to ask {shown(ask_id)}: its time is over, its step has ended, or it "
        "was never asked"
    )


def no_room_for_answer(run_id: str, ask_id: str) -> CasConflictError:
    """The error of an answer for which there is no room."""
    return CasConflictError(
        f"run {run_id} has {MOST_CHECKPOINTS:,} records of steps and checkpoints, so that there is no room for the "
        f"answer to ask {shown(ask_id)}"
    )
