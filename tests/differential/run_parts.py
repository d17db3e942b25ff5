"""What the machine of runs draws: changes of states, rows, inputs, ids and runs as they are created."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from hypothesis import strategies as st

from redis_mob.models import (
    AgentErrorReport,
    FlowFrameState,
    FlowRunState,
    LoopIterationState,
    MobRun,
    MobRunStatus,
    StepRunStatus,
    TurnError,
)
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.full_run import EVERY_INPUT, full_run
from redis_mob.testing.samples.new_events import completed, failed, numbered
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, rebuilt, step_entry
from tests.codec.strategies import STATES, State, field_values
from tests.differential.strategies import DOCUMENTS, either, rarely

S = TypeVar("S", FlowRunState, FlowFrameState, LoopIterationState)

RUNS: Final = [f"0191a6a0-0000-4000-8000-00000000000{number}" for number in "abc"]
MISSING: Final = "0191a6a0-0000-4000-8000-00000000000f"

RUN_IDS = either([RUNS[0]] * 3 + RUNS, [MISSING, RUNS[0].upper()])
"""The first run more often than the others, also in another spelling; and one that is never created."""

NO_ID: Final = "nobody"

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


INPUTS: Mapping[str, Any] = {item.input: item for item in EVERY_INPUT} | {"no input": "no input"}
INPUT_NAMES = rarely(
    st.just(["RunFlow", "no input"]), st.lists(st.sampled_from([item.input for item in EVERY_INPUT]), max_size=3)
)
CONTEXTS = st.none() | st.tuples(st.sampled_from(["refine", "é"]), either([0, 1, 3], [-1, 1_000_001]))

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

ENDS = rarely(st.just(numbered(1)), st.sampled_from([completed(RUNS[0]), failed(RUNS[0]), failed(RUNS[0], "other")]))
"""Events that end a flow, at a time that is given, and one that does not."""
ENDS = ENDS.map(lambda event: event.model_copy(update={"timestamp": NOON}))


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
