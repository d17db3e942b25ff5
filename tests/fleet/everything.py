"""A flow of everything: fan-out, quorum, fan-in, branch, items, a step that fails at first, and nested loops."""

from __future__ import annotations

from typing import Any

from redis_mob.models.conditions import EqCondition, GtCondition, NotCondition
from redis_mob.models.flow_spec import DispatchMode, FlowStepSpec, RetrySpec
from tests.fleet.flows import loop, mob, node, step

ALWAYS = NotCondition(expr=EqCondition(path="params.none", value=1))


def single(*needs: str, **more: Any) -> FlowStepSpec:
    """A step of one member whose output is that of the step."""
    return step(*needs, policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE, **more)


STEPS = {
    "gather": step(),
    "vote": step(policy=2),
    "merge": step(dispatch_mode=DispatchMode.FAN_IN),
    "each": step(for_each="steps.merge", max_parallel=2, dispatch_mode=DispatchMode.ONE_TO_ONE),
    "left": single(condition=ALWAYS, branch="way"),
    "right": single(condition=ALWAYS, branch="way"),
    "join": single(),
    "flaky": single(retry=RetrySpec(first=0.001)),
    "plan": single(),
    "parts": step(for_each="steps.merge", max_parallel=1),
    "polish": single(),
    "end": single(),
}
ROOT = {
    "gather": node("gather"),
    "vote": node("vote", "gather"),
    "merge": node("merge", "vote"),
    "each": node("each", "merge"),
    "left": node("left", "vote", branch="way"),
    "right": node("right", "vote", branch="way"),
    "join": node("join", "left", "right", join="any"),
    "flaky": node("flaky", "gather"),
    "outer": loop(
        "outer",
        GtCondition(path="steps.plan.round", value=0),
        3,
        "merge",
        plan=node("plan"),
        parts=node("parts", "plan"),
        inner=loop("inner", GtCondition(path="steps.polish.round", value=0), 3, "plan", polish=node("polish")),
    ),
    "end": node("end", "join", "each", "flaky", "outer"),
}
EVERYTHING = mob(STEPS, ROOT, limits={"max_step_retries": 1})
"""Its role `worker` has three members. `left` and the third vote fail for good, and `flaky` at first: it needs its only
retry, so that a lost worker must not use it up."""


def output(step_id: str, iteration: int | None = None) -> dict[str, Any]:
    """What each member answers."""
    return {"step": step_id, "round": iteration}


ROOT_OUTPUTS = {
    "gather": {f"worker-{n}": output("gather") for n in (1, 2, 3)},
    "vote": {f"worker-{n}": output("vote") for n in (1, 2)},
    "merge": [{"target": f"worker-{n}", "output": output("merge")} for n in (1, 2, 3)],
    "each": [output("each")] * 3,
    **{name: output(name) for name in ("right", "join", "flaky", "end")},
}
LOOP_OUTPUTS = {
    "outer": tuple({"plan": output("plan", n), "parts": [output("parts", n)] * 3} for n in (0, 1)),
    "inner": tuple({"polish": output("polish", n)} for n in (0, 1)),
}
STATUSES = {**dict.fromkeys(STEPS, "Completed"), "left": "Failed"}
