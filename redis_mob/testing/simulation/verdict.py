"""What must hold of the runs of a simulation when all of them are over."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from redis_mob.fleet.takeover import MOST_LOST
from redis_mob.kernel.machine import FlowMachine
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent, terminal_identity
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow import NodeKind, NodeStatus
from redis_mob.models.flow_events import (
    FlowStarted,
    StepDispatched,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.models.flow_spec import CollectAll, CollectQuorum, FlowStepSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.operations.verification import ReadRun, differences
from redis_mob.operations.verifying import read_whole
from redis_mob.storage import MobStorage
from redis_mob.testing.simulation.effects import Effect
from redis_mob.testing.simulation.watch import Watch


async def broken_promises(
    storage: MobStorage, definition: MobDefinition, watch: Watch, effects: Sequence[Effect]
) -> AsyncIterator[str]:
    """Everything that does not hold of the runs of a storage, each of which is over."""
    events: defaultdict[str, list[MobEvent]] = defaultdict(list)
    for event in await storage.events.replay_all():
        events[getattr(event.kind, "run_id", "")].append(event)
    for run in await storage.runs.list_runs(definition.id):
        run_id = run.run_id
        view, whole = await read_whole(storage, run_id)
        items = {node: await storage.executions.items(run_id, *node) for node in view.progress}
        standing = await storage.operations.standing(run_id)
        for problem in (
            *differences(ReadRun(whole, view, definition, items, standing, events[run_id])),
            *_events_problems(events[run_id]),
            *_collection_problems(whole, view, definition),
            *_effect_problems(run_id, view, effects),
        ):
            yield f"run {run_id}: {problem}"
        if run_id in watch.canceled and run.status is not MobRunStatus.CANCELED:
            yield f"run {run_id} was to be cancelled, and is {run.status}"


def is_convicted(view: RunView) -> bool:
    """Whether an execution of a run failed because its workers were lost, again and again."""
    return any(one.lost >= MOST_LOST and one.status is ExecutionStatus.FAILED for one in view.executions.values())


def _events_problems(events: Sequence[MobEvent]) -> Iterator[str]:
    kinds = [event.kind for event in events]
    ends = [kind for kind in kinds if terminal_identity(kind) is not None]
    if len(ends) != 1 or kinds[-1] is not ends[0]:
        yield f"its events do not end with one end: {[kind.type for kind in kinds]}"
    started = [number for number, kind in enumerate(kinds) if isinstance(kind, FlowStarted)]
    if started not in ([0], []) or (len(kinds) > 1 and not started):
        yield f"its events do not begin with one start: {[kind.type for kind in kinds]}"
    under_way: Counter[tuple[str, str]] = Counter()
    for kind in kinds:
        if isinstance(kind, StepDispatched):
            under_way[kind.step_id, str(kind.target)] += 1
        elif isinstance(kind, StepTargetCompleted | StepTargetFailed):
            under_way[kind.step_id, str(kind.target)] -= 1
            if under_way[kind.step_id, str(kind.target)] < 0:
                yield f"the end of step {kind.step_id} at {kind.target} was told more often than its beginning"


def _collection_problems(run: MobRun, view: RunView, definition: MobDefinition) -> Iterator[str]:
    """A step that completed has as many successes as it needs, one that failed cannot have them any more."""
    flow = definition.flows[run.flow_id]
    machine = FlowMachine.from_run(run, flow)
    by_node: defaultdict[tuple[str, str], list[Execution]] = defaultdict(list)
    for key, execution in view.executions.items():
        by_node[key.node].append(execution)
    for frame_id, frame in run.frames.items():
        state = frame.kernel_state
        for node_id, status in state.node_status.items():
            step_id = machine.step_of(frame_id, node_id)
            if state.node_kind.get(node_id) is not NodeKind.STEP or step_id is None or step_id not in flow.steps:
                continue
            spec, found = flow.steps[step_id], by_node[frame_id, node_id]
            if not spec.has_members or spec.for_each is not None:
                continue
            ends = Counter(one.status for one in found)
            needed = _needed(spec, len(found))
            succeeded, failed = ends[ExecutionStatus.COMPLETED], ends[ExecutionStatus.FAILED]
            if status is NodeStatus.COMPLETED and succeeded < needed:
                yield f"step {step_id} completed with {succeeded} successes, it needs {needed}"
            if status is NodeStatus.FAILED and found and run.status is not MobRunStatus.CANCELED:
                is_lost = len(found) - failed < needed
                if succeeded >= needed or (not is_lost and not _was_swept(ends)):
                    yield f"step {step_id} failed with {succeeded} successes and {failed} failures, it needs {needed}"


def _was_swept(ends: Counter[ExecutionStatus]) -> bool:
    """Whether something of a step was still open when its run ended."""
    return ends[ExecutionStatus.CANCELED] > 0


def _needed(spec: FlowStepSpec, targets: int) -> int:
    policy = spec.collection_policy
    if isinstance(policy, CollectAll):
        return targets
    return policy.n if isinstance(policy, CollectQuorum) else 1


def _effect_problems(run_id: str, view: RunView, effects: Sequence[Effect]) -> Iterator[str]:
    """Each execution that completed has what one call of its handler returned: that of its last claim."""
    of_token: defaultdict[tuple[ExecutionKey, int], list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.run_id == run_id:
            of_token[effect.key, effect.token].append(effect)
    for (key, token), calls in of_token.items():
        if len(calls) > 1:
            yield f"the handler of {'/'.join(key)} was called {len(calls)} times with token {token}"
    for key, execution in view.executions.items():
        if execution.status is ExecutionStatus.COMPLETED and execution.fencing_token and not execution.child:
            outputs: list[Any] = [one.output for one in of_token[key, execution.fencing_token] if one.outcome]
            if outputs != [execution.output]:
                yield f"{'/'.join(key)} has {execution.output!r}, its handler has returned {outputs!r}"
