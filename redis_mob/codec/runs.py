"""A whole run as the parts that its keys hold, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from redis_mob.codec import changes, ledgers
from redis_mob.codec.arguments import instance, storable
from redis_mob.codec.delimited import decode_number, encode_number
from redis_mob.codec.field_checks import field_checks, require_fields
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.inputs import encode_inputs, inputs_reader
from redis_mob.codec.packing import UNPACK_ERRORS, Argument, pack, unpack
from redis_mob.codec.payloads import Payload
from redis_mob.codec.run_heads import COUNT, COUNTED, RunHead, check_count
from redis_mob.codec.snapshot_reading import Whole, whole
from redis_mob.codec.texts import unpacked
from redis_mob.codec.unknown_fields import stored_fields, with_unknown_fields
from redis_mob.errors import InternalError, SerializationError, shown
from redis_mob.models.base import Model, SortedDict, canonical_run_id, is_none, presorted
from redis_mob.models.flow import FlowFrameState, FlowRunState, FrameSnapshot, LoopIterationState, LoopSnapshot
from redis_mob.models.role_targets import RoleTargets
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

K = TypeVar("K", FlowFrameState, LoopIterationState)

_HEAD_CHECKS = field_checks(
    MobRun,
    "flow_state",
    "step_ledger",
    "failure_ledger",
    "loop_iteration_ledger",
    "root_step_outputs",
    "flow_authority_inputs",
    "flow_definition_digest",
    "role_targets",
)
"""The checks of what belongs to the run itself; its parts are checked where they are encoded."""


_FURTHER = b"further"
"""The field of the run hash that holds what runs of schema 6 have not, as a JSON object; most have none of it."""


class _Further(Model):
    """What is in that field; what no class of ours has is behind the others."""

    flow_definition_digest: str | None = Field(default=None, exclude_if=is_none)
    role_targets: RoleTargets | None = Field(default=None, exclude_if=is_none)


_CREATED = b"created"
"""The field of the index that every run has, so that a lost run hash is told from a run that never was."""


def encode_run(run: MobRun) -> list[Sequence[Argument]]:
    """One list for each key of a run: hashes as fields and values, lists as items, the index of the ledgers last.

    Raises ValidationError if it is of another class, InternalError for what could not be read back, SerializationError
    for one that a store has given and whose parts cannot be read.
    """
    checked = instance("run", run, MobRun).complete()
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
        ledgers.stored_value("activation_params", run.activation_params),
        COUNTED,
        b"1",
    ]
    if (further := _further(run)) is not None:
        head += (_FURTHER, further)
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


def _further(run: MobRun) -> Payload | None:
    """What a run has that runs of schema 6 have not; None for most."""
    unknown, digest, targets = run.__pydantic_extra__, run.flow_definition_digest, run.role_targets
    if not unknown and digest is targets is None:
        return None
    known = _Further(flow_definition_digest=digest, role_targets=targets).model_dump(mode="json")
    return stored_fields(MobRun, {**known, **(unknown or {})})


def _read_further(fields: dict[str, Any], stored: bytes | None) -> dict[str, Any] | None:
    """Adds the fields of later releases to those of a run; gives those that no class of ours has."""
    if stored is None:
        return None
    further = _Further.model_validate_json(unpacked(stored))
    fields.update(vars(further))
    return further.__pydantic_extra__


def _step_outputs(run: MobRun) -> Iterable[tuple[bytes, bytes]]:
    for number, entry in enumerate(run.step_ledger):
        if entry.output is not None:
            yield b"%d" % number, ledgers.stored_text(ledgers.step_output(entry))


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
    fields, late, unknown = _core(run_id, parts)
    run = MobRun.unchecked(run_id=run_id, step_ledger=(), **fields, **{name: read() for name, read in late.items()})
    return with_unknown_fields(run, unknown)


def decode_run(run_id: str, parts: RunParts) -> MobRun:
    """The run whose keys hold these parts. Raises SerializationError naming the run and the part that is damaged.

    All parts are looked at, and the kernel states and authority inputs made of their bytes when they are asked for.
    """
    _check_core(run_id, parts.core)
    for name, part in (
        ("steps", parts.steps),
        ("step_outputs", parts.step_outputs),
        ("iterations", parts.iterations),
        ("inputs", parts.authority),
    ):
        check_count(run_id, parts.core.head, name, len(part))
    fields, late, unknown = _core(run_id, parts.core)
    with _Named(run_id, "step_ledger"):
        fields["step_ledger"] = ledgers.decode_step_rows(parts.steps, parts.step_outputs)
    with _Named(run_id, "loop_iteration_ledger"):
        fields["loop_iteration_ledger"] = ledgers.decode_iteration_rows(parts.iterations)
    late["flow_authority_inputs"] = _late(
        run_id, "flow_authority_inputs", lambda: inputs_reader(run_id, parts.authority)
    )
    return with_unknown_fields(MobRun.with_late_fields(late, run_id=run_id, **fields), unknown)


def _core(run_id: str, parts: CoreParts) -> tuple[dict[str, Any], dict[str, Callable[[], Any]], dict[str, Any] | None]:
    """The fields of the core of a run, what gives its kernel states, and the fields that no class of ours has."""
    with _Named(run_id, "head"):
        fields = _head(parts)
        unknown = _read_further(fields, parts.head.get(_FURTHER))
    with _Named(run_id, "activation_params"):
        fields["activation_params"] = ledgers.decode_json(parts.head[b"params"])
    with _Named(run_id, "outputs"):
        fields["root_step_outputs"], fields["loop_iteration_outputs"] = ledgers.decode_outputs(parts.outputs)
    with _Named(run_id, "failure_ledger"):
        fields["failure_ledger"] = ledgers.decode_failure_rows(parts.failures)
    late = {
        "flow_state": _late(run_id, "flow_state", lambda: _flow_state(parts).state),
        "frames": _late(run_id, "frames", lambda: _frames(parts)),
        "loops": _late(run_id, "loops", lambda: _loops(parts)),
    }
    return fields, late, unknown


def _late(run_id: str, part: str, look: Callable[[], Callable[[], Any]]) -> Callable[[], Any]:
    """Looks at a part, and gives what reads it later. Both raise SerializationError naming the run and the part."""
    with _Named(run_id, part):
        read = look()

    def read_later() -> Any:
        with _Named(run_id, part):
            return read()

    return read_later


_UNREADABLE = (*UNPACK_ERRORS, ValidationError, OverflowError, SerializationError)


class _Named:
    """Raises SerializationError naming the run and the part if that cannot be read.

    No generator, which takes three times as long: a run is read in ten parts.
    """

    __slots__ = ("_part", "_run_id")

    def __init__(self, run_id: str, part: str) -> None:
        self._run_id, self._part = run_id, part

    def __enter__(self) -> None:
        """Nothing to be done."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _UNREADABLE):
            raise SerializationError(f"run {self._run_id}: {self._part} cannot be read: {error}") from error


def _check_core(run_id: str, parts: CoreParts) -> None:
    head = parts.head
    check_count(run_id, head, "run", sum(not field.startswith(COUNT) for field in head))
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
    if (sequence := parts.head.get(b"sequence")) is not None:
        decode_number(sequence)  # or its next change of status would be refused
    return {
        "mob_id": head.mob_id,
        "flow_id": head.flow_id,
        "created_at": ledgers.moment(head.created_at),
        "schema_version": head.schema_version,
        "status": MobRunStatus(parts.head[b"status"].decode()),
        "completed_at": None if completed_at is None else ledgers.moment(decode_number(completed_at)),
    }


def _flow_state(parts: CoreParts) -> Whole[FlowRunState]:
    prefix = changes.FLOW_GROUP
    groups = {field.removeprefix(prefix): data for field, data in parts.head.items() if field.startswith(prefix)}
    return whole(FlowRunState, groups, parts.head[changes.FLOW_DIGEST])


def _kernel_states(model: type[K], stored: Mapping[bytes, bytes]) -> dict[str, Whole[K]]:
    """The kernel states of all frames or loops, in the order of their names."""
    digests: dict[str, bytes] = {}
    groups: dict[str, dict[bytes, bytes]] = {}
    for field, data in stored.items():
        name, *group = unpack(field)
        if group:
            groups.setdefault(name, {})[group[0]] = data
        else:
            digests[name] = data
    return {name: whole(model, groups[name], digests[name]) for name in sorted(groups.keys() | digests.keys())}


def _frames(parts: CoreParts) -> Callable[[], SortedDict[FrameSnapshot]]:
    states = _kernel_states(FlowFrameState, parts.frames)
    return lambda: presorted(
        {name: state.of(FrameSnapshot.unchecked(kernel_state=state.state())) for name, state in states.items()}
    )


def _loops(parts: CoreParts) -> Callable[[], SortedDict[LoopSnapshot]]:
    states = _kernel_states(LoopIterationState, parts.loops)
    return lambda: presorted(
        {name: state.of(LoopSnapshot.unchecked(kernel_state=state.state())) for name, state in states.items()}
    )
