"""JSON is read by its own names alone: a key that is the name of a field in Python is an unknown one, and is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from redis_mob.models.definition import MobDefinition
from redis_mob.models.failure import AgentErrorReport
from redis_mob.models.flow_spec import WaitSpec
from redis_mob.models.overlay import OverlayFailed, OverlayFailure


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (AgentErrorReport, '{"class":"a","message":"m","error_class":"b"}'),
        (WaitSpec, '{"signal":"s","schema":"{}","schema_ref":"y"}'),
        (WaitSpec, '{"signal":"s","schema_ref":5}'),
    ],
)
def test_a_key_named_as_in_python_is_unknown_and_kept(kind: type[AgentErrorReport | WaitSpec], text: str) -> None:
    # contract: json-1
    read = kind.model_validate_json(text)
    written = json.loads(read.model_dump_json())
    assert {name: written[name] for name in json.loads(text)} == json.loads(text)
    assert list(read.model_extra or {}) == [list(json.loads(text))[-1]]
    assert kind.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("kind", "text", "lacks"),
    [
        (AgentErrorReport, '{"error_class":"b","message":"m"}', "class"),
        (OverlayFailed, '{"failed":{"reason":"x"}}', "Failed"),
        (OverlayFailed, '{"Failed":{"reason":"x"},"failed":{"reason":"y"}}', "failed"),
    ],
)
def test_it_does_not_stand_for_the_field(kind: type[AgentErrorReport | OverlayFailed], text: str, lacks: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^{lacks}$"):
        kind.model_validate_json(text)


def test_a_constructor_takes_either_name() -> None:
    of_report: Any = AgentErrorReport  # a type checker knows the names of the wire
    of_status: Any = OverlayFailed
    report = of_report(error_class="a", message="m")
    assert report == AgentErrorReport.model_validate({"class": "a", "message": "m"})
    failed = of_status(failed=OverlayFailure(reason="r"))
    assert failed == OverlayFailed.model_validate({"Failed": {"reason": "r"}})


def test_the_author_of_a_file_is_told_of_such_a_key() -> None:
    told: list[str] = []
    text = """
    [mob]
    id = "m"
    [flows.f.steps.s]
    role = ""
    message = ""
    wait_for = { signal = "go", schema_ref = "schema.json" }
    """
    MobDefinition.from_toml(text, tell=told.append)
    assert told == ["flows.f.steps.s.wait_for.schema_ref: there is no such key (nearest: 'schema'); it is ignored"]
