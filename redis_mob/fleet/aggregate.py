"""What the answers of a step's members add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.models.execution import Execution, ExecutionStatus
from redis_mob.models.flow_spec import CollectAny, DispatchMode, FlowStepSpec


def aggregate(spec: FlowStepSpec, executions: Mapping[str, Execution]) -> Any:
    """The output of a step from the successful ones of its executions; see `aggregate_outputs`."""
    outputs = {
        member: execution.output
        for member, execution in executions.items()
        if execution.status is ExecutionStatus.COMPLETED
    }
    return aggregate_outputs(spec, outputs)


def aggregate_outputs(spec: FlowStepSpec, outputs: Mapping[str, Any]) -> Any:
    """The output of a step from the successful answers, ordered by member (contract: engine-14, engine-15).

    Of a step that waited for a signal, or for another run: what came of that. fan_in: an array of {target, output}.
    Otherwise with policy any the bare value of the first finisher, else an object from member to value.
    """
    if not spec.has_members:
        return next(iter(outputs.values()))
    if spec.dispatch_mode is DispatchMode.FAN_IN:
        return [{"target": member, "output": output} for member, output in outputs.items()]
    if isinstance(spec.collection_policy, CollectAny):
        # The step ends in the commit that brings its first success, so there is exactly one here.
        return next(iter(outputs.values()))
    return dict(outputs)


def aggregate_of_items(spec: FlowStepSpec, items: int, completed: Mapping[int, tuple[str, Any]]) -> Any:
    """The output of a step with `for_each` from (target, output) of the items that completed, by their indices.

    fan_in: an array of {target, index, output}. Otherwise with policy any the bare value of the first finisher, else an
    array with the output of each item where it stands, null where it has none (contract: engine-43).
    """
    if spec.dispatch_mode is DispatchMode.FAN_IN:
        return [
            {"target": target, "index": index, "output": output}
            for index, (target, output) in sorted(completed.items())
        ]
    if isinstance(spec.collection_policy, CollectAny):
        return next(output for _, output in completed.values())
    return [completed[index][1] if index in completed else None for index in range(items)]
