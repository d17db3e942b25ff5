"""The index of a run's executions: what it says, and that a decision with it costs what it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.fleet import engine
from redis_mob.fleet.engine import Claimant, Report
from redis_mob.fleet.execution_index import OPEN, ExecutionIndex
from redis_mob.fleet.outcome import Succeeded
from redis_mob.models.execution import Claim, Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow_spec import DispatchMode
from tests.fleet.flows import mob, step
from tests.fleet.simulation import NOON, Simulation

KEYS = st.builds(ExecutionKey, st.sampled_from(["f", "g"]), st.sampled_from(["n", "m"]), st.sampled_from("ab"))
CHANGES = st.lists(st.tuples(KEYS, st.sampled_from(ExecutionStatus)), max_size=12)


def execution(status: ExecutionStatus) -> Execution:
    return Execution(step_id="s", role="r", message="", due_at=NOON, status=status)


def described(index: ExecutionIndex) -> object:
    """All that an index says of the keys that tests use."""
    nodes = [(frame, node) for frame in "fg" for node in "nm"]
    return (
        [index.of_node(node) for node in nodes],
        [+index.statuses_of(node) for node in nodes],
        [set(index.with_status(status)) for status in ExecutionStatus],
        [index.open_of(member) for member in "ab"],
    )


@given(before=CHANGES, changes=CHANGES, gone=st.sets(KEYS))
def test_an_index_that_follows_changes_says_what_a_new_one_says(
    before: list[tuple[ExecutionKey, ExecutionStatus]],
    changes: list[tuple[ExecutionKey, ExecutionStatus]],
    gone: set[ExecutionKey],
) -> None:
    executions = {key: execution(status) for key, status in before}
    index = ExecutionIndex(executions)
    changed = {key: execution(status) for key, status in changes}
    for key, status in changes:
        index.put(key, execution(status))
    after = {key: one for key, one in {**executions, **changed}.items() if key not in gone or key not in changed}
    index.follow(after, changed)
    assert index.is_of(after)
    assert described(index) == described(ExecutionIndex(after))
    assert all(index.execution(key) == one for key, one in after.items())
    assert sum(index.open_of(member) for member in "ab") == sum(one.status in OPEN for one in after.values())


def test_a_changed_index_is_of_no_mapping_until_one_is_named() -> None:
    key = ExecutionKey("f", "n", "a")
    executions = {key: execution(ExecutionStatus.WAITING)}
    index = ExecutionIndex(executions)
    assert index.is_of(executions)
    assert not index.is_of(dict(executions))
    index.put(key, execution(ExecutionStatus.COMPLETED))
    assert not index.is_of(executions)


class Unlisted(Mapping[ExecutionKey, Execution]):
    """Executions that can be looked up, but not gone through."""

    def __init__(self, executions: Mapping[ExecutionKey, Execution]) -> None:
        self._executions = executions

    def __getitem__(self, key: ExecutionKey) -> Execution:
        return self._executions[key]

    def __iter__(self) -> Iterator[ExecutionKey]:
        raise AssertionError("the decision goes through all executions of the run")

    def __len__(self) -> Never:
        raise AssertionError("the decision asks how many executions the run has")


@pytest.mark.parametrize("dispatch", list(DispatchMode))
@pytest.mark.parametrize("alone", [False, True])
def test_a_decision_does_not_go_through_the_executions_of_the_run(dispatch: DispatchMode, alone: bool) -> None:
    """One result is taken, the step after it is given to the worker, and of those that wait one more begins."""
    flow = {name: step(*("a" if name == "e" else ""), dispatch_mode=dispatch) for name in "abcde"}
    sim = Simulation(mob(flow), worker=1)
    assert sim.advance()
    [key] = sim.keys("a")
    noted = engine.note(
        sim.store.load(), sim.definition, claims=[Claim(key)], claimant=Claimant("one"), random=Random(0)
    )
    assert noted.transition is not None
    assert sim.commit(noted.transition)
    view = sim.store.load()
    executions = Unlisted(view.executions)
    index = ExecutionIndex(view.executions)
    index.follow(executions, ())
    decision = engine.decide(
        replace(view, executions=executions),
        sim.definition,
        reports=[Report(key, view.executions[key].fencing_token, Succeeded(1))],
        claimant=Claimant("one", slots=2, alone=alone, serves=lambda _role: True),
        random=Random(0),
        index=index,
    )
    assert decision.execution_index is index
    begun = [key.node_id for key in decision.claimed]
    assert len(begun) == 2 if alone else begun == ["e"]
