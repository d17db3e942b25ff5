"""A copy of a run as what its keys hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from pydantic import ValidationError

from redis_mob import errors
from redis_mob.codec.arguments import instance, storable_json
from redis_mob.codec.checkpoints import encode_checkpoint
from redis_mob.codec.definitions import digests_of, encode_definition
from redis_mob.codec.delimited import encode_number
from redis_mob.codec.executions import encode_execution, encode_launch, execution_field
from redis_mob.codec.items import encode_items, encode_progress, ended_field, items_field, progress_field
from redis_mob.codec.labels import fields_of, stored_labels
from redis_mob.codec.ledgers import microseconds
from redis_mob.codec.packing import Argument
from redis_mob.codec.runs import encode_run
from redis_mob.codec.signals import encode_published, encode_signal, signal_field
from redis_mob.errors import shown
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MOB_EVENT_KIND, MobEventKind, NewMobEvent, run_of_kind, terminal_identity
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.flow_events import FlowStarted
from redis_mob.models.problems import problems
from redis_mob.models.run_copy import ExecutionCopy, RunCopy


class CopiedRun(NamedTuple):
    """What is stored of a copy.

    The parts of the run are those that `encode_run` gives, with all that a fleet keeps there; the others are fields of
    further hashes, its events, and the record of its definition.
    """

    parts: Sequence[Sequence[Argument]]
    executions: Sequence[Argument]
    published: Sequence[Argument]
    events: Sequence[NewMobEvent]
    definition: bytes


def key_of_copy(copy: ExecutionCopy) -> ExecutionKey:
    """Which execution it is."""
    return ExecutionKey(copy.frame_id, copy.node_id, copy.target)


def checked_copy(copy: object, definition: object) -> tuple[RunCopy, MobDefinition]:
    """A copy and its definition.

    Raises ValidationError for other classes, for a definition of another digest, and for a run whose mob, flow or roles
    are none of the definition; InternalError for a copy that could not be read back.
    """
    checked, of = instance("copy", copy, RunCopy), instance("definition", definition, MobDefinition)
    storable_json(
        "the copy of a run", lambda: checked.model_dump_json(warnings="error").encode(), RunCopy.model_validate_json
    )
    if checked.launch.definition not in digests_of(of):
        raise errors.ValidationError(
            f"run {checked.run.run_id} was started with definition {shown(checked.launch.definition)}, which is not "
            "the one that is given"
        )
    run = checked.run
    if run.mob_id != of.id or run.flow_id not in of.flows:
        raise errors.ValidationError(
            f"run {run.run_id} is one of flow {shown(run.flow_id)} of mob {shown(run.mob_id)}, which its definition, "
            f"of mob {shown(of.id)}, does not have"
        )
    if unknown := checked.launch.members.keys() - of.profiles.keys():
        raise errors.ValidationError(
            f"run {run.run_id} has members of role {shown(min(unknown))}, which its definition does not have"
        )
    return checked, of


def events_of_copy(copy: RunCopy) -> list[NewMobEvent]:
    """The events of a copy. Raises ValidationError for one that is none of its run, and for a second start or end."""
    found: list[NewMobEvent] = []
    once = set[str]()
    for one in copy.events:
        try:
            kind = MOB_EVENT_KIND.validate_python(one.kind)
        except ValidationError as error:
            raise errors.ValidationError(f"run {copy.run.run_id}: an event cannot be read: {problems(error)}") from None
        if run_of_kind(kind) != copy.run.run_id:
            raise errors.ValidationError(f"run {copy.run.run_id}: the event {kind.type} is about something else")
        if one.mob_id != copy.run.mob_id:
            raise errors.ValidationError(
                f"run {copy.run.run_id}: the event {kind.type} is one of mob {shown(one.mob_id)}, and the run is not"
            )
        if (part := _once_in_a_run(kind)) in once:
            raise errors.ValidationError(f"run {copy.run.run_id}: its events tell its {part} twice")
        if part is not None:
            once.add(part)
        found.append(NewMobEvent.model_validate({**dict(one), "kind": kind}))
    return found


def _once_in_a_run(kind: MobEventKind) -> str | None:
    """What the events of a run tell once; None for the others, which may come as often as a step is tried."""
    if isinstance(kind, FlowStarted):
        return "start"
    return None if terminal_identity(kind) is None else "end"


def encode_copy(copy: RunCopy, definition: MobDefinition) -> CopiedRun:
    """What is stored of a copy. Raises like the encoders of its parts."""
    head, *parts, index = encode_run(copy.run)
    executions: list[Argument] = []
    aside: list[Argument] = []
    for one in copy.executions:
        key, record = key_of_copy(one), encode_execution(one.execution)
        if one.execution.leaves:
            aside += (ended_field(key), record)
        else:
            executions += (execution_field(key), record)
    for one in copy.items:
        node = one.frame_id, one.node_id
        executions += (progress_field(node), encode_progress(one.progress))
        aside += (items_field(node), encode_items(one.values))
    for field, record in checkpoints_of_copy(copy):
        aside += (field, record)
    for one in copy.signals:
        executions += (signal_field(one.number), encode_signal(one.signal))
    published = chain.from_iterable((name, encode_published(name, value)) for name, value in copy.published.items())
    _, record = encode_definition(definition, forked=copy.launch.forked_from is not None)
    return CopiedRun(
        [[*head, *_head_of(copy), *fields_of(stored_labels(copy.labels))], *parts, [*index, *aside]],
        executions,
        list(published),
        events_of_copy(copy),
        record,
    )


def checkpoints_of_copy(copy: RunCopy) -> Iterator[tuple[bytes, bytes]]:
    """Field and record of each checkpoint of a copy."""
    for one in copy.checkpoints:
        key = ExecutionKey(one.frame_id, one.node_id, one.target)
        for checkpoint in one.checkpoints:
            yield encode_checkpoint(key, checkpoint)


def _head_of(copy: RunCopy) -> list[Argument]:
    """What a fleet keeps in the hash of a run."""
    launched = encode_number(microseconds(copy.launched_at))
    head: list[Argument] = [b"launch", encode_launch(copy.launch), b"launched_at", launched]
    numbers = {
        b"version": copy.version,
        b"recorded": copy.version,
        b"reports": copy.reports,
        b"moves": copy.moves,
        b"signals": copy.last_signal,
    }
    for name, number in numbers.items():
        if number or name == b"recorded":
            head += (name, encode_number(number))
    return [*head, b"cancel_requested_at", launched] if copy.cancel_requested else head
