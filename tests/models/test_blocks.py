"""Blocks of messages that meerkat has since 0.7 (contract: definition-25)."""

from __future__ import annotations

import json

from redis_mob.handlers.request import message_json, message_text
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.templates import render
from redis_mob.models.flow_spec import FlowStepSpec

BLOCKS = [
    {"type": "text", "text": "{{ params.x }}"},
    {"type": "structured", "data": {"b": [1, 1.0], "a": "{{ params.x }}"}},
    {"type": "skill_context", "skill_key": {"source": "s", "name": "n"}, "text": "{{ params.x }}"},
]


def test_they_come_back_and_are_no_templates() -> None:
    step = FlowStepSpec.model_validate_json(json.dumps({"role": "r", "message": BLOCKS}))
    assert json.loads(step.model_dump_json())["message"] == BLOCKS
    rendered = render(step.message, ConditionContext(params={"x": "y"}, steps={}, loops={})).message
    assert message_json(rendered) == [{"type": "text", "text": "y"}, *BLOCKS[1:]]
    assert message_text(rendered) == 'y\n\n{"a":"{{ params.x }}","b":[1,1.0]}\n\n{{ params.x }}'
