"""A whole run as the parts that its keys hold, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from redis_mob.codec import changes, ledgers
from redis_mob.codec.arguments import instance, storable, text
from redis_mob.codec.delimited import decode_number, encode_number
from redis_mob.codec.field_checks import field_checks, require_fields
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.inputs import decode_inputs, encode_inputs
from redis_mob.codec.packing import UNPACK_ERRORS, Argument, pack, unpack
from redis_mob.codec.snapshots import decode
from redis_mob.errors import InternalError, SerializationError, shown
from redis_mob.models.base import SortedDict, canonical_run_id
from redis_mob.models.flow import FlowFrameState, FlowRunState, FrameSnapshot, LoopIterationState, LoopSnapshot
from redis_mob.models.run import MobRun, MobRunStatus

K = TypeVar("K", FlowFrameState, LoopIterationState)
P = TypeVar("P")

_HEAD_CHECKS = field_checks(
    MobRun,
    "flow_state",
    "step_ledger",
    "failure_ledger",
    "loop_iteration_ledger",
    "root_step_outputs",
    "flow_authority_inputs",
)
"""The checks of what belongs to the run itself; its parts are checked where they are encoded."""


COUNTED = b"counted"
"""The field of the run hash that says that `n:<part>` counts the records of each part since the run was created."""

_COUNT = b"n:"

_NUMBER = re.compile(rb"-?[0-9]{1,19}")
"""A count as HINCRBY makes it."""

_CREATED = b"created"
"""The field of the index that every run has, so that a lost run hash is told from a run that never was."""


class RunHead(NamedTuple):
    """The fields of the run hash that belong to no group."""

    mob_id: str
    flow_id: str
    created_at: int
    schema_version: int


def place_prefix(mob_id: str, flow_id: str | None = None) -> bytes:
    """What the places of all runs of a mob, or of one flow of it, begin with in the zset of runs.

    msgpack texts carry their length, so that no mob id can be the beginning of another's prefix.
    """
    mob = pack(text("mob_id", mob_id))
    return mob if flow_id is None else mob + pack(text("flow_id", flow_id))


def run_id_of_place(place: bytes) -> tuple[int, str]:
    """(sequence of creation, run id) of a place in the zset of runs."""
    return int(place[-52:-36]), place[-36:].decode()


def encode_run(run: MobRun) -> list[Sequence[Argument]]:
    """One list for each key of a run: hashes as fields and values, lists as items, the index of the ledgers last.

    Raises ValidationError if it is of another class, InternalError for what could not be read back.
    """
    checked = instance("run", run, MobRun)
    return storable("the run", lambda: _parts_of(checked))


def _parts_of(run: MobRun) -> list[Sequence[Argument]]:
    require_fields(run, _HEAD_CHECKS)
    if canonical_run_id(run.run_id) != run.run_id:
        raise InternalError(f"the run cannot be stored: run_id {shown(run.run_id)} is not in lower case with hyphens")
    head: list[Argument] = [
        b"head",
        pack(RunHead(run.mob_id, run.flow_id, ledgers.microseconds(run.created_at), run.schema_version)),
        b"status",
        run.status.encode(),
        b"params",
        ledgers.encode_value("activation_params", run.activation_params),
        COUNTED,
        b"1",
    ]
    if run.completed_at is not None:
        head += (b"completed_at", encode_number(ledgers.microseconds(run.completed_at)))
    return [
        head + changes.fields_of_run(run.flow_state),
        list(chain.from_iterable(changes.fields_of_frame(*item) for item in run.frames.items())),
        list(chain.from_iterable(changes.fields_of_loop(*item) for item in run.loops.items())),
        ledgers.encode_outputs(run.root_step_outputs, run.loop_iteration_outputs),
        [ledgers.step_row(entry) for entry in run.step_ledger],
        list(chain.from_iterable(_step_outputs(run))),
        [ledgers.failure_row(entry) for entry in run.failure_ledger],
        [ledgers.iteration_row(entry) for entry in run.loop_iteration_ledger],
        encode_inputs(run.run_id, run.flow_authority_inputs),
        list(chain.from_iterable(_index(run).items())),
    ]


def _step_outputs(run: MobRun) -> Iterable[tuple[bytes, bytes]]:
    for number, entry in enumerate(run.step_ledger):
        if entry.output is not None:
            yield b"%d" % number, ledgers.step_output(entry)


def _index(run: MobRun) -> dict[bytes, int]:
    index: dict[bytes, int] = {_CREATED: 1}
    for number, entry in enumerate(run.step_ledger):
        index[ledgers.step_identity_field(entry)] = number
        index[ledgers.step_field(entry.step_id)] = number
    for failure in run.failure_ledger:
        index[ledgers.failure_step_field(failure.step_id)] = 1
        index[ledgers.failure_content_field(failure)] = 1
    for iteration in run.loop_iteration_ledger:
        index[ledgers.iteration_field(iteration)] = 1
    return index


class CoreParts(NamedTuple):
    """What the keys of the core of a run hold: of what decisions look at (see `MobRun.core`)."""

    head: Mapping[bytes, bytes]
    frames: Mapping[bytes, bytes]
    loops: Mapping[bytes, bytes]
    outputs: Mapping[bytes, bytes]
    failures: Sequence[bytes]
    index_size: int


class RunParts(NamedTuple):
    """What the keys of a whole run hold: those of its core, and those that only grow."""

    core: CoreParts
    steps: Sequence[bytes]
    step_outputs: Mapping[bytes, bytes]
    iterations: Sequence[bytes]
    authority: Sequence[bytes]


def core_parts(reply: Sequence[Sequence[bytes]]) -> CoreParts:
    """The parts of the core of a run from the reply of a script that reads it."""
    head, frames, loops, outputs, failures, sizes = reply
    return CoreParts(
        as_mapping(head), as_mapping(frames), as_mapping(loops), as_mapping(outputs), failures, int(sizes[0])
    )


def run_parts(reply: Sequence[Sequence[bytes]]) -> RunParts:
    """The parts of a whole run from the reply of a script that reads it: in the order of `encode_run`."""
    head, frames, loops, outputs, steps, step_outputs, failures, iterations, authority, sizes = reply
    core = core_parts((head, frames, loops, outputs, failures, sizes))
    return RunParts(core, steps, as_mapping(step_outputs), iterations, authority)


def decode_core(run_id: str, parts: CoreParts) -> MobRun:
    """The core of the run whose keys hold these parts.

    Raises SerializationError naming the run and the part that is damaged.
    """
    _check_core(run_id, parts)
    return MobRun.model_construct(run_id=run_id, step_ledger=(), **_read(run_id, parts, _CORE_READERS))


def decode_run(run_id: str, parts: RunParts) -> MobRun:
    """The run whose keys hold these parts. Raises SerializationError naming the run and the part that is damaged."""
    _check_core(run_id, parts.core)
    for name, part in (
        ("steps", parts.steps),
        ("step_outputs", parts.step_outputs),
        ("iterations", parts.iterations),
        ("inputs", parts.authority),
    ):
        check_count(run_id, parts.core.head, name, len(part))
    readers: Mapping[str, Callable[[RunParts], Any]] = {
        "step_ledger": lambda parts: ledgers.decode_step_rows(parts.steps, parts.step_outputs),
        "loop_iteration_ledger": lambda parts: ledgers.decode_iteration_rows(parts.iterations),
        "flow_authority_inputs": lambda parts: decode_inputs(run_id, parts.authority),
    }
    core, rest = _read(run_id, parts.core, _CORE_READERS), _read(run_id, parts, readers)
    return MobRun.model_construct(run_id=run_id, **core, **rest)


def _read(run_id: str, parts: P, readers: Mapping[str, Callable[[P], Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            value: Any = read(parts)
        except (*UNPACK_ERRORS, ValidationError, OverflowError, SerializationError) as error:
            raise SerializationError(f"run {run_id}: {name} cannot be read: {error}") from error
        fields.update(value if name in _SEVERAL else {name: value})
    return fields


def check_count(run_id: str, head: Mapping[bytes, bytes], part: str, found: int) -> None:
    """Raises SerializationError if a part of a run holds fewer records than were written to it."""
    if COUNTED not in head:
        return
    counted = head.get(_COUNT + part.encode(), b"0")
    if _NUMBER.fullmatch(counted) is None:
        raise SerializationError(f"run {run_id}: {part} is damaged: its count {counted[:40]!r} is no number")
    if found < int(counted):
        raise SerializationError(f"run {run_id}: {part} is damaged: {found} of {int(counted)} records are there")


def _check_core(run_id: str, parts: CoreParts) -> None:
    head = parts.head
    check_count(run_id, head, "run", sum(not field.startswith(_COUNT) for field in head))
    check_count(run_id, head, "index", parts.index_size)
    for name, part in (
        ("frames", parts.frames),
        ("loops", parts.loops),
        ("outputs", parts.outputs),
        ("failures", parts.failures),
    ):
        check_count(run_id, head, name, len(part))


def _head(parts: CoreParts) -> dict[str, Any]:
    head = RunHead(*unpack(parts.head[b"head"]))
    completed_at = parts.head.get(b"completed_at")
    return {
        "mob_id": head.mob_id,
        "flow_id": head.flow_id,
        "created_at": ledgers.moment(head.created_at),
        "schema_version": head.schema_version,
        "status": MobRunStatus(parts.head[b"status"].decode()),
        "completed_at": None if completed_at is None else ledgers.moment(decode_number(completed_at)),
    }


def _flow_state(parts: CoreParts) -> FlowRunState:
    prefix = changes.FLOW_GROUP
    groups = {field.removeprefix(prefix): data for field, data in parts.head.items() if field.startswith(prefix)}
    return decode(FlowRunState, groups, parts.head[changes.FLOW_DIGEST])


def _outputs(parts: CoreParts) -> dict[str, Any]:
    root, loops = ledgers.decode_outputs(parts.outputs)
    return {"root_step_outputs": root, "loop_iteration_outputs": loops}


def _kernel_states(model: type[K], stored: Mapping[bytes, bytes]) -> dict[str, K]:
    digests: dict[str, bytes] = {}
    groups: dict[str, dict[bytes, bytes]] = {}
    for field, data in stored.items():
        name, *group = unpack(field)
        if group:
            groups.setdefault(name, {})[group[0]] = data
        else:
            digests[name] = data
    return {name: decode(model, groups[name], digests[name]) for name in groups.keys() | digests.keys()}


def _frames(parts: CoreParts) -> SortedDict[FrameSnapshot]:
    states = _kernel_states(FlowFrameState, parts.frames)
    return SortedDict({name: FrameSnapshot.model_construct(kernel_state=state) for name, state in states.items()})


def _loops(parts: CoreParts) -> SortedDict[LoopSnapshot]:
    states = _kernel_states(LoopIterationState, parts.loops)
    return SortedDict({name: LoopSnapshot.model_construct(kernel_state=state) for name, state in states.items()})


_CORE_READERS: Mapping[str, Callable[[CoreParts], Any]] = {
    "head": _head,
    "flow_state": _flow_state,
    "activation_params": lambda parts: ledgers.decode_json(parts.head[b"params"]),
    "frames": _frames,
    "loops": _loops,
    "outputs": _outputs,
    "failure_ledger": lambda parts: ledgers.decode_failure_rows(parts.failures),
}
"""How each part of the core becomes a field of a run."""

_SEVERAL = ("head", "outputs")
"""Parts that become several fields."""
