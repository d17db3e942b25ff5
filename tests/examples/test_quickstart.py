"""The smallest flow there is."""

from __future__ import annotations

from pathlib import Path

from examples.quickstart import handlers
from redis_mob.kernel.validation import validate
from redis_mob.models.definition import MobDefinition
from redis_mob.testing import step_context


def test_the_definition_is_valid() -> None:
    definition = MobDefinition.from_toml(Path(handlers.__file__).with_name("hello.toml").read_text())
    assert validate(definition) == ()
    assert list(definition.flows) == ["hello"]


def test_it_greets_whom_it_is_told_to() -> None:
    ada, unnamed = step_context(params={"name": "Ada"}), step_context(params={})
    assert [handlers.greet(ada), handlers.greet(unnamed)] == ["Hello, Ada!", "Hello, world!"]
