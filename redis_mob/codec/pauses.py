"""Pauses as bytes: the names of flows and mobs as queues have them, and since when and why something is paused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import optional_valid_text
from redis_mob.codec.schedule import encode_role
from redis_mob.errors import SerializationError, ValidationError, shown
from redis_mob.models.pause import Pause

MOST_OF_A_REASON = 1000
"""Characters that the reason of a pause may have."""

OF_FLOW, OF_MOB = b"f", b"m"
"""What stands before the name of what is paused; lua/lib/pauses has the same."""

_LENGTH = 4


def scope_of(mob_id: str, flow_id: str | None = None) -> bytes:
    """A mob, or a flow of it, as lua/lib/pauses names it."""
    return encode_role(mob_id, flow_id)


def scopes_of(mob_id: str, flow_id: str) -> list[bytes]:
    """What may be paused beside a run: its mob, and its flow."""
    return [scope_of(mob_id), scope_of(mob_id, flow_id)]


def places_aside(mob_id: str, flow_id: str, run_id: str) -> list[bytes]:
    """Before which letters what a run has waiting stands aside: of itself, of its flow; as lua/lib/pauses has it."""
    return [b"pr" + run_id.encode(), b"pf" + scope_of(mob_id, flow_id)]


def checked_reason(reason: object) -> str:
    """A reason as it is stored, '' for none. Raises ValidationError."""
    said = optional_valid_text("reason", reason) or ""
    if len(said) > MOST_OF_A_REASON:
        raise ValidationError(f"reason: {len(said)} characters, of {MOST_OF_A_REASON} at most")
    return said


def decode_pause_of_run(mob_id: str, flow_id: str, run_id: str, record: bytes) -> Pause:
    """The pause of a run. Raises SerializationError."""
    return _decoded(record, mob_id, flow_id, run_id)


def decode_pauses(stored: Mapping[bytes, bytes]) -> tuple[Pause, ...]:
    """The flows and mobs that are paused, by name. Raises SerializationError."""
    found = [
        _decoded(record, *_names(field[1:]), None) for field, record in stored.items() if field[:1] in (OF_FLOW, OF_MOB)
    ]
    return tuple(sorted(found, key=lambda pause: (pause.mob_id, pause.flow_id or "", pause.flow_id is not None)))


def pauses_of(pauses: Iterable[Pause], mob_id: str, flow_id: str) -> tuple[Pause, ...]:
    """Those of these pauses that are about the runs of a flow, that of the flow first."""
    found = [pause for pause in pauses if pause.includes(mob_id, flow_id)]
    return tuple(sorted(found, key=lambda pause: pause.flow_id is None))


def _names(scope: bytes) -> tuple[str, str | None]:
    names: list[str] = []
    while scope:
        end = _LENGTH + int.from_bytes(scope[:_LENGTH], "big")
        try:
            names.append(scope[_LENGTH:end].decode())
        except ValueError as error:
            raise SerializationError(f"the name of what is paused cannot be read: {shown(scope)}") from error
        scope = scope[end:]
    if len(names) not in (1, 2):
        raise SerializationError("the name of what is paused cannot be read: it has another number of parts")
    return names[0], names[1] if len(names) > 1 else None


def _decoded(record: bytes, mob_id: str, flow_id: str | None, run_id: str | None) -> Pause:
    try:
        since, reason = record.decode().split(" ", 1)
        if not reason.endswith("\n"):
            raise ValueError("it was cut short")
        at = ledgers.moment(int(since))
    except (ValueError, OverflowError) as error:
        raise SerializationError(f"the pause of {run_id or flow_id or mob_id} cannot be read: {error}") from error
    return Pause.unchecked(mob_id=mob_id, flow_id=flow_id, run_id=run_id, since=at, reason=reason[:-1] or None)
