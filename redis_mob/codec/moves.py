"""What a move of a run to another release reads of it, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis_mob.codec.arguments import optional_valid_text
from redis_mob.codec.executions import decode_executions, decode_launch, encode_launch, milliseconds
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.packing import UNPACK_ERRORS, unpack
from redis_mob.codec.pauses import places_aside
from redis_mob.codec.run_heads import RunHead
from redis_mob.codec.schedule import about_queue, encode_entry, encode_limits, encode_queue, queue_of
from redis_mob.errors import NotFoundError, SerializationError, ValidationError
from redis_mob.models.execution import ExecutionStatus, RunLaunch

_IN_A_QUEUE = (ExecutionStatus.WAITING, ExecutionStatus.LEASED)


def release_name(release: object) -> str | None:
    """The release that a run is to be served by; None for any. Raises ValidationError for what is no name of one."""
    if release == "":
        raise ValidationError("a release has a name; give None for a run that any release may serve")
    return optional_valid_text("release", release)


def not_of_a_fleet(run_id: str) -> NotFoundError:
    """The error about a run that has no release."""
    return NotFoundError(f"run {run_id} was not started by a fleet: no release serves it")


def move_arguments(run_id: str, reply: Sequence[Any], release: str | None) -> dict[str, Any] | None:
    """The arguments of lua/steering/move_run from the reply of read_moving; None if the run asks for this release.

    Raises NotFoundError for a run that no fleet has started, SerializationError for one that cannot be read.
    """
    _, head, launch, version, records = reply
    if not launch:
        raise not_of_a_fleet(run_id)
    before = decode_launch(run_id, bytes(launch))
    if before.release == release:
        return None
    after = before.model_copy(update={"release": release})
    try:
        of_run = RunHead(*unpack(head))
    except UNPACK_ERRORS as error:
        raise SerializationError(f"run {run_id}: head cannot be read: {error}") from error
    mob_id, flow_id = of_run.mob_id, of_run.flow_id
    executions = decode_executions(run_id, as_mapping(records))
    entered = [(key, one) for key, one in executions.items() if one.status in _IN_A_QUEUE]

    def entries(launch: RunLaunch) -> Iterator[bytes]:
        for key, one in entered:
            queue, limits = encode_queue(queue_of(mob_id, one.role, launch)), encode_limits(mob_id, flow_id, one.limits)
            yield encode_entry(queue, launch.priority, run_id, key, limits)

    def queues(launch: RunLaunch) -> list[bytes]:
        return [encode_queue(queue_of(mob_id, role, launch)) for role in sorted({one.role for _, one in entered})]

    return {
        "run_id": run_id,
        "launch": launch,
        "version": version,
        "next_launch": encode_launch(after),
        "left": list(entries(before)),
        "joined": list(entries(after)),
        "due_at": [milliseconds(one.due_at) if one.lease is None else b"" for _, one in entered],
        "aside": places_aside(mob_id, flow_id, run_id),
        "queues": queues(before),
        "messages": [about_queue(queue) for queue in queues(after)],
    }
