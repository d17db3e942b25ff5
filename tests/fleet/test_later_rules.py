"""What later releases of meerkat say in definitions, and a fleet cannot do (contract: definition-25)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.errors import DefinitionError
from redis_mob.fleet.fleet import Fleet
from redis_mob.kernel.validation import validate
from redis_mob.models import MobDefinition
from redis_mob.storage import MobStorage

NODE: dict[str, Any] = {"kind": "step", "step_id": "s", "depends_on": [], "depends_on_mode": "all"}
LOOP: dict[str, Any] = {
    "kind": "repeat_until",
    "loop_id": "l",
    "depends_on": [],
    "depends_on_mode": "all",
    "until": {"op": "eq", "path": "params.x", "value": 1},
    "max_iterations": 2,
}


def definition(step: dict[str, Any] | None = None, **more: Any) -> MobDefinition:
    flow = {"steps": {"s": {"role": "r", "message": "go", **(step or {})}}, **more.pop("flow", {})}
    return MobDefinition.model_validate({"id": "m", "profiles": {"r": {"model": "m"}}, "flows": {"f": flow}, **more})


def unsupported(found: MobDefinition) -> list[str | None]:
    return [one.location for one in validate(found) if one.code == "unsupported"]


@pytest.mark.parametrize(
    ("found", "location"),
    [
        (definition({"failure_policy": "continue"}), "flows.f.steps.s.failure_policy"),
        (
            definition(flow={"root": {"nodes": {"n": {**NODE, "failure_policy": "continue"}}}}),
            "flows.f.root.nodes.n.failure_policy",
        ),
        (
            definition(
                flow={"root": {"nodes": {"n": {**LOOP, "body": {"nodes": {"n": NODE}}, "failure_policy": "continue"}}}}
            ),
            "flows.f.root.nodes.n.failure_policy",
        ),
        (
            definition(
                flow={
                    "root": {"nodes": {"n": {**LOOP, "body": {"nodes": {"x": {**NODE, "failure_policy": "continue"}}}}}}
                }
            ),
            "flows.f.root.nodes.n.body.nodes.x.failure_policy",
        ),
        (
            definition(supervisor={"role": "r", "escalation_threshold": 1, "escalation_turn_timeout_ms": "soon"}),
            "supervisor.escalation_turn_timeout_ms",
        ),
    ],
    ids=["step", "node", "loop", "body", "supervisor"],
)
async def test_what_a_fleet_cannot_do_is_named(found: MobDefinition, location: str, storage: MobStorage) -> None:
    assert unsupported(found) == [location]
    with pytest.raises(DefinitionError, match=location.replace(".", r"\.")):
        Fleet(storage, found, {"r": lambda _: None})


def test_what_means_nothing_else_is_no_finding() -> None:
    supervisor = {"role": "r", "escalation_threshold": 1, "escalation_turn_timeout_ms": None}
    assert unsupported(definition({"failure_policy": "escalate"}, supervisor=supervisor)) == []
