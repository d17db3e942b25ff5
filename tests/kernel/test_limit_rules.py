"""Units that nothing could begin under are told when a definition is validated (contract: engine-90)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.kernel.validation import validate
from redis_mob.models.flow_spec import FlowSpec
from tests.fleet.flows import FLOW, mob, step


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ("x", "units must give a number above 0, and 'x' gives none"),
        ("", "units must give a number above 0, and '' gives none"),
        ("-1", "units must give a number above 0, and '-1' gives none"),
        ("nan", "units must give a number above 0, and 'nan' gives none"),
        ("11", "units, 11, are more than the limit, 10: nothing would begin"),
        ("5", None),
        ("{{ params.n }}", None),
    ],
)
@pytest.mark.parametrize("of", ["step", "flow"])
def test_units_that_are_known_are_looked_at(units: str, said: str | None, of: str) -> None:
    rate: Any = {"limit": 10, "per": "1m", "units": units}
    definition = mob({"a": step(rate=rate if of == "step" else None)})
    field = "flows.flow.steps.a.rate.units"
    if of == "flow":
        flow = FlowSpec(steps=definition.flows[FLOW].steps, rate=rate)
        definition, field = definition.model_copy(update={"flows": {FLOW: flow}}), "flows.flow.rate.units"
    found = [(one.code, one.message, one.location) for one in validate(definition)]
    assert found == ([] if said is None else [("invalid_limit", said, field)])
