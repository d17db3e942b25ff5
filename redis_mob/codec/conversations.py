"""Conversations: their ids and bounds checked, and their histories as the stores have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import pydantic_core

from redis_mob.codec.arguments import duration, instance, integer, listed, text, valid_text
from redis_mob.codec.checkpoints import digest_of
from redis_mob.codec.executions import checked_key
from redis_mob.codec.ledgers import moment
from redis_mob.codec.packing import UNPACK_ERRORS, pack, unpack
from redis_mob.codec.payloads import Payload, payload
from redis_mob.errors import CasConflictError, NotFoundError, SerializationError, ValidationError, shown
from redis_mob.models.base import U32_MAX, check_value, json_text
from redis_mob.models.conversation import (
    DEFAULT_BYTES,
    DEFAULT_ITEMS,
    DEFAULT_KEEP,
    LONGEST_ID,
    MOST_APPENDED,
    MOST_BYTES,
    MOST_ITEMS,
    ChangeKind,
    Conversation,
    ConversationItem,
    ConversationRecord,
    Turn,
)
from redis_mob.models.execution import ExecutionKey

_DIGEST = 32
_RUN_ID = 36
_CHANGE = b"v"
"""What the field of a change begins with in the index of its run."""

MILLISECOND = timedelta(milliseconds=1)


def checked_id(conversation: object) -> str:
    """The id of a conversation. Raises ValidationError."""
    named = valid_text("conversation", conversation)
    if not 0 < len(named.encode()) <= LONGEST_ID:
        raise ValidationError(f"conversation must be a text of 1 to {LONGEST_ID} bytes, not {shown(conversation)}")
    return named


def named_conversation(conversation: object) -> Conversation:
    """A conversation by its id, or with its bounds. Raises ValidationError naming what is wrong."""
    return checked_conversation(Conversation(conversation) if isinstance(conversation, str) else conversation)


def checked_conversation(conversation: object) -> Conversation:
    """The same, if its id and bounds may be. Raises ValidationError naming what is wrong."""
    given, keep, items, size = instance("conversation", conversation, Conversation)
    if keep is not None and duration("keep", keep) < MILLISECOND:
        raise ValidationError(f"keep must be at least a millisecond, not {shown(keep)}")
    for name, bound, most in (("max_items", items, MOST_ITEMS), ("max_bytes", size, MOST_BYTES)):
        if bound is not None and integer(name, bound, least=1) > most:
            raise ValidationError(f"{name} must be from 1 to {most:,}, not {shown(bound)}")
    return Conversation(checked_id(given), keep, items, size)


def conversation_digest(conversation: str) -> str:
    """What stands for the id of a conversation in keys, and among the runs that are under way."""
    return blake2b(conversation.encode(), digest_size=_DIGEST // 2).hexdigest()


def bound_arguments(conversation: Conversation) -> dict[str, Any]:
    """The bounds of a conversation, and those of a new one, as the scripts take them."""
    _, keep, items, size = conversation
    return {
        "keep": b"" if keep is None else keep // MILLISECOND,
        "max_items": b"" if items is None else items,
        "max_bytes": b"" if size is None else size,
        "default_keep": DEFAULT_KEEP // MILLISECOND,
        "default_items": DEFAULT_ITEMS,
        "default_bytes": DEFAULT_BYTES,
    }


def decode_turn(run_id: str, stored: bytes | None) -> Turn | None:
    """In which conversation a run is, from its field. Raises SerializationError."""
    if not stored:
        return None
    letter, named = stored[_DIGEST : _DIGEST + 1], stored[_DIGEST + 1 : -1]
    try:
        if letter not in (b"-", b"r", b"w") or not stored.endswith(b"\n"):
            raise ValueError("it was cut short")
        return Turn(named.decode(), letter == b"w")
    except ValueError as error:
        raise SerializationError(f"run {run_id}: its conversation cannot be read: {error}") from None


def encode_owner(mob_id: str, flow_id: str) -> bytes:
    """Mob and flow of a conversation."""
    return pack((mob_id, flow_id))


def of_another_flow(conversation: str, mob_id: str, flow_id: str, stored: bytes) -> ValidationError:
    """What to say of a start under another flow than that of its conversation. Raises SerializationError."""
    try:
        other_mob, other_flow = unpack(stored)
    except UNPACK_ERRORS as error:
        raise SerializationError(f"conversation {shown(conversation)} cannot be read: {error}") from None
    return ValidationError(
        f"conversation {shown(conversation)} belongs to flow {shown(other_flow)} of mob {shown(other_mob)}, not to "
        f"flow {shown(flow_id)} of mob {shown(mob_id)}: use another id, or delete the conversation"
    )


def of_another_conversation(conversation: str, run_id: str) -> ValidationError:
    """What to say of an idempotency key whose run is not in the conversation."""
    return ValidationError(
        f"the idempotency key belongs to run {run_id}, which is not in conversation {shown(conversation)}: use "
        "another key for another run"
    )


def unknown_conversation(conversation: str, namespace: str) -> NotFoundError:
    """That there is no such conversation, or none any more."""
    return NotFoundError(
        f"conversation {shown(conversation)} does not exist in namespace {shown(namespace)}, or its time is over; "
        "`redis-mob conversations` lists those that do"
    )


def too_long_item(conversation: str) -> ValidationError:
    """What to say of an item that does not fit."""
    return ValidationError(
        f"an item is longer than the whole history of conversation {shown(conversation)} may be: raise its "
        "max_bytes, or keep the value elsewhere and append a reference to it"
    )


def has_active_run(conversation: str, run_id: str) -> CasConflictError:
    """What to say of a conversation that cannot be deleted."""
    return CasConflictError(
        f"conversation {shown(conversation)} cannot be deleted while run {run_id} is under way: cancel the run, and "
        "wait for its end"
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a history, checked: its items as JSON texts, and what is equal for equal changes."""

    kind: ChangeKind
    items: tuple[Payload, ...] = ()
    after: str = ""
    """The identity of the change before it, which an execution has made; empty for its first one."""

    @classmethod
    def of(cls, kind: object, items: object, after: object = "") -> Change:
        """The change. Raises ValidationError for another kind, for items that are no JSON or too many."""
        if kind not in ("append", "pop", "clear"):
            raise ValidationError(f"kind must be append, pop or clear, not {shown(kind)}")
        values = listed("items", items)
        if len(values) > MOST_APPENDED:
            raise ValidationError(f"items may be {MOST_APPENDED:,} in one call, not {len(values):,}")
        if values and kind != "append":
            raise ValidationError(f"{kind} takes no items")
        return cls(kind, tuple(_item_text(number, value) for number, value in enumerate(values)), text("after", after))

    @property
    def identity(self) -> str:
        """A digest of kind, items, and of all changes before it: what followed another change is another one."""
        return digest_of([self.after, self.kind, [item.decode() for item in self.items]])


def _item_text(number: int, value: object) -> Payload:
    try:
        # it outlives the run that appends it
        return payload(json_text(check_value(value)).encode(), stays=True)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValidationError(f"items[{number}] is refused: {error}") from None


def change_field(key: ExecutionKey, number: int) -> bytes:
    """The field of a change in the index of its run. Raises as `checkpoint_field`."""
    if integer("change", number, least=0) > U32_MAX:
        raise ValidationError(f"change must be an integer from 0 to {U32_MAX}, not {shown(number)}")
    return _CHANGE + pack((*checked_key(key), number))


def encode_author(run_id: str, key: ExecutionKey) -> bytes:
    """Who appends items: a run, and an execution of it."""
    return run_id.encode() + pack(tuple(checked_key(key)))


def decode_value(stored: bytes) -> Any:
    """The value of the JSON text of an item; integers keep every digit. Raises ValueError."""
    return pydantic_core.from_json(stored, allow_inf_nan=False)


def decode_item(conversation: str, number: int, fields: Mapping[bytes, bytes]) -> ConversationItem:
    """An item as it was stored. Raises SerializationError."""
    try:
        by = fields[b"by"]
        run_id = by[:_RUN_ID].decode() or None
        return ConversationItem(
            number,
            moment(int(fields[b"at"])),
            decode_value(fields[b"item"]),
            run_id,
            ExecutionKey(*unpack(by[_RUN_ID:])) if run_id else None,
            int(fields[b"change"]),
        )
    except UNPACK_ERRORS as error:
        raise SerializationError(
            f"item {number} of conversation {shown(conversation)} cannot be read: {error}"
        ) from None


def decode_record(
    conversation: str, fields: Mapping[bytes, bytes], items: int, left_ms: int, runs: int, named: Sequence[str]
) -> ConversationRecord:
    """What is known of a conversation. Raises SerializationError."""
    try:
        mob_id, flow_id = unpack(fields[b"about"]) if b"about" in fields else (None, None)
        return ConversationRecord(
            id=conversation,
            mob_id=mob_id,
            flow_id=flow_id,
            active=named[0] if named else None,
            waiting=tuple(named[1:]),
            runs=runs,
            items=items,
            bytes=int(fields.get(b"bytes", b"0")),
            keep_ms=int(fields.get(b"keep", DEFAULT_KEEP // MILLISECOND)),
            max_items=int(fields.get(b"max_items", DEFAULT_ITEMS)),
            max_bytes=int(fields.get(b"max_bytes", DEFAULT_BYTES)),
            expires_in_ms=left_ms if left_ms >= 0 else None,
        )
    except UNPACK_ERRORS as error:
        raise SerializationError(f"conversation {shown(conversation)} cannot be read: {error}") from None


def visible_to(
    items: Iterable[ConversationItem], run_id: str, key: ExecutionKey, change: int
) -> list[ConversationItem]:
    """The items that a handler sees after `change` changes of its own: an earlier attempt may have appended more."""
    return [one for one in items if not ((one.run_id, one.key) == (run_id, key) and one.change >= change)]
