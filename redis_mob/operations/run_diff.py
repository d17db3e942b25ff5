"""What of a run differs between two cursors of the log (contract: past-7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from redis_mob.errors import NotFoundError
from redis_mob.models.base import U64, Items, JsonValue, Model, RunId, WireEnum, json_equal
from redis_mob.models.ledger import FailureLedgerEntry, StepLedgerEntry
from redis_mob.models.run import MobRun
from redis_mob.past.run_events import checked_run_id, place_in
from redis_mob.storage import MobStorage


class Part(WireEnum):
    """What of a run a change is about."""

    STATUS = "status"
    STEP = "step"
    FRAME = "frame"
    NODE = "node"
    LOOP = "loop"
    OUTPUT = "output"
    STEP_ROW = "step_row"
    FAILURE_ROW = "failure_row"


class Change(Model):
    """What differs: `before` and `after` are its values at the two cursors, None where it is not there.

    `name` is that of the step, frame or loop; `<frame id>/<node>` of a node, `<loop id>[<iteration>]/<step>` of an
    output within a loop, `<step>[<member>]` of a row; empty of the status of the run.
    """

    part: Part
    name: str
    before: JsonValue = None
    after: JsonValue = None


class RunDiff(Model):
    """What of a run differs between two cursors, by parts; `unknown` are outputs of either that are stored no more."""

    run_id: RunId
    before: U64
    after: U64
    changes: Items[Change]
    unknown: Items[str] = ()


async def diff(storage: MobStorage, run_id: str, before: object, after: object) -> RunDiff:
    """See `FleetAdmin.diff`."""
    run_id = checked_run_id(run_id)
    first = await place_in(storage.events, "before", before)
    second = await place_in(storage.events, "after", after)
    then = await storage.at(first.cursor).runs.past_of(run_id)
    now = await storage.at(second.cursor).runs.past_of(run_id)
    if then is None and now is None:
        raise NotFoundError(f"run {run_id} was there neither at {first.name} nor at {second.name}")
    told = tuple(_changes(then and then.run, now and now.run))
    unknown = {*(then.unknown if then else ()), *(now.unknown if now else ())}
    return RunDiff(
        run_id=run_id, before=first.cursor, after=second.cursor, changes=told, unknown=tuple(sorted(unknown))
    )


def _changes(before: MobRun | None, after: MobRun | None) -> Iterator[Change]:
    old, new = _values(before), _values(after)
    for part in (Part.STATUS, Part.STEP, Part.FRAME, Part.NODE, Part.LOOP, Part.OUTPUT):
        for name in sorted(old[part].keys() | new[part].keys()):
            was, became = old[part].get(name), new[part].get(name)
            # an output may be null, which is not the same as none
            if (name in old[part]) is not (name in new[part]) or not json_equal(was, became):
                yield Change(part=part, name=name, before=was, after=became)
    yield from _of_rows(Part.STEP_ROW, before.step_ledger if before else (), after.step_ledger if after else ())
    yield from _of_rows(
        Part.FAILURE_ROW, before.failure_ledger if before else (), after.failure_ledger if after else ()
    )


def _values(run: MobRun | None) -> Mapping[Part, Mapping[str, JsonValue]]:
    """What a run has of each part but rows, by its name."""
    found: dict[Part, dict[str, JsonValue]] = {part: {} for part in Part}
    if run is None:
        return found
    found[Part.STATUS][""] = str(run.status)
    steps = run.flow_state.step_status.items()
    found[Part.STEP] = {step_id: str(status) for step_id, status in steps if status is not None}
    for frame_id, frame in run.frames.items():
        state = frame.kernel_state
        found[Part.FRAME][frame_id] = str(state.phase)
        found[Part.NODE] |= {f"{frame_id}/{node_id}": str(status) for node_id, status in state.node_status.items()}
    for loop_id, loop in run.loops.items():
        state = loop.kernel_state
        found[Part.LOOP][loop_id] = {
            "phase": str(state.phase),
            "stage": str(state.stage),
            "iteration": state.current_iteration,
        }
    found[Part.OUTPUT] = dict(run.root_step_outputs)
    for loop_id, iterations in run.loop_iteration_outputs.items():
        for number, outputs in enumerate(iterations):
            found[Part.OUTPUT] |= {f"{loop_id}[{number}]/{step_id}": output for step_id, output in outputs.items()}
    return found


def _of_rows(
    part: Part,
    before: Sequence[StepLedgerEntry | FailureLedgerEntry],
    after: Sequence[StepLedgerEntry | FailureLedgerEntry],
) -> Iterator[Change]:
    for row in _without(before, after):
        yield Change(part=part, name=_name_of(row), before=row.model_dump(mode="json"))
    for row in _without(after, before):
        yield Change(part=part, name=_name_of(row), after=row.model_dump(mode="json"))


def _without(
    rows: Sequence[StepLedgerEntry | FailureLedgerEntry], others: Sequence[StepLedgerEntry | FailureLedgerEntry]
) -> Iterator[StepLedgerEntry | FailureLedgerEntry]:
    """The rows that the other ledger does not have, or not so often."""
    left = Counter(row.model_dump_json() for row in others)
    for row in rows:
        text = row.model_dump_json()
        left[text] -= 1
        if left[text] < 0:
            yield row


def _name_of(row: StepLedgerEntry | FailureLedgerEntry) -> str:
    return f"{row.step_id}[{row.agent_identity}]" if isinstance(row, StepLedgerEntry) else row.step_id
