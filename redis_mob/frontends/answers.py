"""Answers that front ends send, checked: they come from a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis_mob.errors import ValidationError, shown
from redis_mob.models.base import U64_MAX
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.forking import UNCHANGED


class FrontEndAnswer(NamedTuple):
    """What a person has said to an ask. Without a value it approves what was asked for."""

    ask_id: str
    approved: bool
    value: Any
    message: str | None


async def give_answers(
    admin: FleetAdmin, run_id: str, answers: Iterable[FrontEndAnswer], by: str | None = None
) -> None:
    """Answer asks of one run. Each is answered by itself, in this order.

    Asks of other runs are not found. `by` is who answers, which the application knows and the browser must not say.
    Raises as `FleetAdmin.answer`; the same answers again change nothing.
    """
    for one in answers:
        given = {} if one.value is UNCHANGED else {"value": one.value}
        await admin.answer(one.ask_id, approved=one.approved, message=one.message, by=by, run_id=run_id, **given)


def answer_of_value(ask_id: Any, given: Any) -> FrontEndAnswer:
    """An answer from its id and a value `{"approved": ..., "value": ..., "message": ...}`. Raises ValidationError."""
    if not isinstance(ask_id, str) or not ask_id:
        raise ValidationError(f"the id of an ask must be a text, not {shown(ask_id)}")
    value = object_of(f"the answer to ask {shown(ask_id)}", given)
    approved, message = value.get("approved"), value.get("message")
    if not isinstance(approved, bool):
        raise ValidationError(f"ask {shown(ask_id)}: approved must be true or false, not {shown(approved)}")
    if message is not None and not isinstance(message, str):
        raise ValidationError(f"ask {shown(ask_id)}: message must be a text, not {shown(message)}")
    return FrontEndAnswer(ask_id, approved, value.get("value", UNCHANGED) if approved else UNCHANGED, message)


def object_of(name: str, value: Any) -> Mapping[str, Any]:
    """The value, which must be a JSON object. Raises ValidationError."""
    if not isinstance(value, Mapping):
        raise ValidationError(f"{name} must be an object, not {shown(value)}")
    return cast("Mapping[str, Any]", value)


def list_of(name: str, value: Any) -> Sequence[Any]:
    """The value, which must be a JSON array; none is an empty one. Raises ValidationError."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValidationError(f"{name} must be an array, not {shown(value)}")
    return cast("list[Any]", value)


def offset_in(holder: Any, name: str) -> int | None:
    """The offset that an object holds under a name; None for all that holds none."""
    after = cast("Mapping[str, Any]", holder).get(name) if isinstance(holder, Mapping) else None
    if not isinstance(after, int) or isinstance(after, bool):
        return None
    return after if 0 <= after <= U64_MAX else None
