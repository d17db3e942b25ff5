"""What the machine of runs draws: changes of states, rows, inputs, ids and runs as they are created."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from hypothesis import strategies as st

from redis_mob.contracts import MobRunStore
from redis_mob.models import (
    AgentErrorReport,
    FlowAuthorityInput,
    FlowFrameState,
    FlowRunState,
    LoopIterationState,
    MobRun,
    MobRunStatus,
    StepRunStatus,
    TurnError,
)
from redis_mob.testing.samples.compound import LOOP, OPERATIONS, scene
from redis_mob.testing.samples.full_run import EVERY_INPUT, full_run
from redis_mob.testing.samples.json_values import NO_JSON
from redis_mob.testing.samples.new_events import completed, failed, numbered
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, rebuilt, step_entry
from tests.codec.strategies import STATES, State, field_values
from tests.differential.strategies import DOCUMENTS, NO_UTF8, either, rarely

S = TypeVar("S", FlowRunState, FlowFrameState, LoopIterationState)

RUNS: Final = [f"0191a6a0-0000-4000-8000-00000000000{number}" for number in "abc"]
MISSING: Final = "0191a6a0-0000-4000-8000-00000000000f"

RUN_IDS = either([RUNS[0]] * 3 + RUNS, [MISSING, RUNS[0].upper()])
"""The first run more often than the others, also in another spelling; and one that is never created."""

MOBS: Final = ["mob", "mób"]
FLOWS: Final = ["review", "other"]
STEPS = st.sampled_from(["build", "build", "é"])
FRAMES = st.sampled_from(["root", "root", "body"])
LOOPS = st.sampled_from(["loop-1", "loop-1", "é"])
STATUSES = st.sampled_from(list(MobRunStatus))

LATER = NOON + timedelta(microseconds=1)


class Change(NamedTuple):
    """Another value for a field; `afresh` makes a state that shares nothing with the one before."""

    field: str
    value: Any
    afresh: bool


def _changes(model: type[State]) -> st.SearchStrategy[Change]:
    names = ["build", "test"] if model is FlowRunState else ["n1", "n2"]
    return st.one_of(
        *(
            st.builds(Change, st.just(field), field_values(model, field, names), st.booleans())
            for field in model.model_fields
        )
    )


CHANGES: Mapping[type[State], st.SearchStrategy[Change]] = {model: _changes(model) for model in STATES}


def changed(state: S, change: Change) -> S:
    """The state with this change, made as a kernel does that goes on from a state, or from nothing."""
    following = rebuilt(state, **{change.field: change.value})
    return following if change.afresh else state.model_copy(update={change.field: getattr(following, change.field)})


INPUTS: Mapping[str, FlowAuthorityInput] = {item.input: item for item in EVERY_INPUT}
INPUT_NAMES = st.lists(st.sampled_from(list(INPUTS)), max_size=3)
CONTEXTS = st.none() | st.tuples(st.sampled_from(["refine", "é"]), st.integers(0, 3))

STEP_ROWS = st.builds(
    step_entry,
    STEPS,
    st.sampled_from(["agent-1", ""]),
    st.sampled_from(StepRunStatus),
    output=DOCUMENTS,
    timestamp=st.sampled_from([NOON, LATER]),
)

REPORTS = st.sampled_from([1, 1.0, 0.0, -0.0, {"a": [1], "b": 2}, {"b": 2, "a": [1]}]).map(
    lambda reason: AgentErrorReport.model_validate({"class": "Timeout", "reason": reason, "message": "é"})
)
"""Some of which are the same but for what JSON does not tell apart."""

FAILURES = st.builds(
    failure_entry,
    STEPS,
    timestamp=st.sampled_from([NOON, LATER]),
    error_report=st.none() | REPORTS | REPORTS,
    error=st.none() | st.just(TurnError(kind="provider")),
)

ITERATIONS = st.builds(iteration_entry, FRAMES, st.integers(0, 1), LOOPS)

ENDS = rarely(
    st.just(numbered(1)), st.sampled_from([completed(RUNS[0]), failed(RUNS[0]), failed(RUNS[0], "other")])
).map(lambda event: event.model_copy(update={"timestamp": NOON}))
"""Ends of flows of the first run, whichever run they are told of; rarely an event that ends none."""


WRONG: Mapping[str, Sequence[Any]] = {
    "run_id": ["absent"],
    "frame_id": [NO_UTF8],
    "loop_instance_id": [NO_UTF8],
    "step_id": [NO_UTF8],
    "step_output_key": [NO_UTF8],
    "output": list(NO_JSON.values()),
    "step_output": list(NO_JSON.values()),
    "loop_context": [(NO_UTF8, 0), ("refine", -1), ("refine", 1_000_001)],
    "authority_inputs": [[EVERY_INPUT[0], "no input"]],
}
"""What is refused, by the arguments that it is given for."""

SOUND: Mapping[str, Mapping[str, Any]] = {
    **{name: operation.arguments for name, operation in OPERATIONS.items()},
    "put_step_output": {"step_id": "build", "output": 1},
    "upsert_loop_snapshot": {"loop_instance_id": "loop-1", "snapshot": LOOP},
}
"""Arguments of operations beside the run's id, with nothing wrong in them."""


class Wrong(NamedTuple):
    """An operation with one wrong argument. Which of several is refused first, no contract says."""

    operation: str
    argument: str
    value: Any

    def arguments(self, run_id: str) -> dict[str, Any]:
        return {"run_id": run_id, **SOUND[self.operation], self.argument: self.value}


WRONGS = st.sampled_from(
    [
        Wrong(operation, argument, value)
        for operation in SOUND
        for argument, values in WRONG.items()
        if argument in inspect.signature(getattr(MobRunStore, operation)).parameters
        for value in values
    ]
)


class NewRun(NamedTuple):
    """A run to be created, with little in it or with something of everything."""

    full: bool
    run_id: str
    mob_id: str
    flow_id: str
    status: MobRunStatus
    completed_at: datetime | None
    activation_params: Any

    @property
    def run(self) -> MobRun:
        _, *fields = self._fields
        return (full_run if self.full else scene)(**{field: getattr(self, field) for field in fields})


NEW_RUNS = st.builds(
    NewRun,
    st.booleans(),
    st.sampled_from(RUNS),
    st.sampled_from(MOBS),
    st.sampled_from(FLOWS),
    STATUSES,
    st.sampled_from([None, LATER]),
    DOCUMENTS,
)
