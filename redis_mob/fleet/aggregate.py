"""What the answers of a step's members add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.models.execution import Execution, ExecutionStatus
from redis_mob.models.flow_spec import CollectAny, DispatchMode, FlowStepSpec


def aggregate(spec: FlowStepSpec, executions: Mapping[str, Execution]) -> Any:
    """The output of a step from the successful answers, ordered by member (contract: engine-14, engine-15).

    Of a step that waited for a signal: what came of that. fan_in: an array of {target, output}. Otherwise with policy
    any the bare value of the first finisher, else an object from member to value.
    """
    outputs = {
        member: execution.output
        for member, execution in executions.items()
        if execution.status is ExecutionStatus.COMPLETED
    }
    if spec.wait_for is not None:
        return next(iter(outputs.values()))
    if spec.dispatch_mode is DispatchMode.FAN_IN:
        return [{"target": member, "output": output} for member, output in outputs.items()]
    if isinstance(spec.collection_policy, CollectAny):
        # The step ends in the commit that brings its first success, so there is exactly one here.
        return next(iter(outputs.values()))
    return outputs
