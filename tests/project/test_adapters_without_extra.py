"""What an import says where LangGraph or pydantic-ai-harness is not installed."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.parametrize(
    ("room", "name", "missing", "extra"),
    [
        ("langgraph", "RedisMobSaver", "langgraph.checkpoint.base", "langgraph"),
        ("langgraph", "RedisMobStore", "langgraph.store.base", "langgraph"),
        ("pydantic_ai", "Durable", "pydantic_ai", "pydantic-ai"),
        ("pydantic_ai", "RedisMobStepStore", "pydantic_ai_harness.step_persistence", "pydantic-ai-harness"),
    ],
)
def test_a_missing_extra_is_named(
    room: str, name: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = __import__(f"redis_mob.{room}", fromlist=["__name__"])
    for module in [one for one in sys.modules if one.startswith((f"redis_mob.{room}.", "redis_mob.handlers.agent"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=rf"redis_mob\.{room}\.{name} needs .*pip install .*\[{extra}\]"):
        getattr(package, name)


@pytest.mark.parametrize("room", ["langgraph", "pydantic_ai"])
def test_other_names_are_none(room: str) -> None:
    package = __import__(f"redis_mob.{room}", fromlist=["__name__"])
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        _ = package.other
