"""Signals of a run, and the values that its handlers publish, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import pydantic

from redis_mob.codec.arguments import instance, storable_json, text
from redis_mob.codec.executions import SIGNAL
from redis_mob.codec.ledgers import decode_json, encode_value
from redis_mob.codec.packing import pack
from redis_mob.codec.payloads import Payload, payload
from redis_mob.errors import CasConflictError, SerializationError, ValidationError, shown
from redis_mob.models.base import json_text
from redis_mob.models.signal import MOST_PUBLISHED, MOST_QUEUED, Signal


def encode_signal(signal: Signal, *, owner: str | None = None) -> Payload:
    """A signal as it waits in a run, that whose keys come first unless an owner is named.

    Raises ValidationError for another class, InternalError for what could not be read back.
    """
    checked = instance("signal", signal, Signal)
    record = storable_json(
        "the signal", lambda: checked.model_dump_json(warnings="error").encode(), Signal.model_validate_json
    )
    return payload(record, owner=owner)


def signal_field(number: int) -> bytes:
    """The field of a signal among the executions of its run."""
    return b"%b%d" % (SIGNAL, number)


def decode_signals(run_id: str, stored: Mapping[bytes, bytes]) -> dict[int, Signal]:
    """The signals that wait among the executions of a run, in the order of their numbers.

    Raises SerializationError naming the run.
    """
    found = [field for field in stored if field.startswith(SIGNAL)]
    if not found:
        return {}
    try:
        numbered = {int(field[len(SIGNAL) :]): Signal.model_validate_json(stored[field]) for field in found}
    except (ValueError, pydantic.ValidationError) as error:
        raise SerializationError(f"run {run_id}: a signal cannot be read: {error}") from error
    return {number: numbered[number] for number in sorted(numbered)}


def receipt_field(idempotency_key: str) -> bytes:
    """The field of the index of a run that says that a signal was sent under this key."""
    return b"k" + pack(text("idempotency_key", idempotency_key))


def identity_of(signal: Signal) -> str:
    """What is equal for equal signals: a digest of name and payload."""
    return blake2b(json_text([signal.name, signal.payload], sort_keys=True).encode(), digest_size=16).hexdigest()


def encode_published(name: str, value: Any) -> Payload:
    """A published value. Raises InternalError naming it if it is no JSON."""
    return payload(encode_value(f"the value published as {shown(name)}", value))


def decode_published(run_id: str, name: str, data: bytes) -> Any:
    """The value that was published. Raises SerializationError naming run and key."""
    try:
        return decode_json(data)
    except ValueError as error:
        raise SerializationError(
            f"run {run_id}: what was published as {shown(name)} cannot be read: {error}"
        ) from error


def another_was_sent(run_id: str, idempotency_key: str | None) -> ValidationError:
    """The error of a signal under a key that belongs to another one."""
    return ValidationError(
        f"idempotency_key {shown(idempotency_key)} belongs to another signal that was sent to run {run_id}: use "
        "another key for another signal"
    )


def run_is_over(run_id: str, signal: Signal) -> CasConflictError:
    """The error of a signal to a run that has ended."""
    return CasConflictError(f"run {run_id} is over: no step of it will take the signal {shown(signal.name)}")


def too_many_wait(run_id: str, signal: Signal) -> CasConflictError:
    """The error of a signal for which there is no room."""
    return CasConflictError(
        f"run {run_id} has {MOST_QUEUED:,} signals that no step has taken: signal {shown(signal.name)} was not sent"
    )


def too_many_published(name: str) -> str:
    """What to say of a name for which there is no room."""
    return f"it has published {MOST_PUBLISHED:,} other values, so that there is no room for {shown(name)}"
