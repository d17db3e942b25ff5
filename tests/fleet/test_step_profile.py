"""What handlers are told of the profile of their role, and of the tools and the answer of their step."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob import StepProfile, isolated
from redis_mob.fleet.step_profile import step_profile
from redis_mob.models.base import SortedDict
from redis_mob.models.definition import InlineSkill, MobDefinition, PathSkill
from redis_mob.models.execution import RunLaunch
from redis_mob.models.flow_spec import FlowStepSpec
from redis_mob.models.profile import Profile, RealmProfileRef, ToolConfig
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from tests.fleet import isolated_handlers as handlers
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow

SCHEMA = {"type": "object"}


def with_profile(definition: MobDefinition, **profile: Any) -> MobDefinition:
    """The same definition, whose workers have this profile, and with three skills."""
    skills = {name: InlineSkill(content=f"how to {name}") for name in ("argue", "bake")}
    worker = Profile.model_validate({"model": "small", **profile})
    return definition.model_copy(
        update={
            "profiles": SortedDict({**definition.profiles, "worker": worker}),
            "skills": SortedDict({**skills, "count": PathSkill(path="count.md")}),
        }
    )


def told(spec: FlowStepSpec, *, launch: RunLaunch | None = None, **profile: Any) -> StepProfile:
    definition = with_profile(mob({"a": spec}), **profile)
    return step_profile(definition, launch or RunLaunch(definition="digest", members=SortedDict()), "a", spec)


@pytest.mark.parametrize("in_process", [False, True], ids=["in-worker", "in-process"])
async def test_a_handler_is_told_the_profile_of_its_role_and_the_tools_of_its_step(
    storage: MobStorage, in_process: bool
) -> None:
    definition = with_profile(
        mob({"a": step(allowed_tools=["read", "write"], blocked_tools=["write"])}, limits={"max_output_bytes": 900}),
        skills=["count", "argue"],
        provider_params={"temperature": 0.5},
        tools=ToolConfig(memory=True),
        output_schema=SCHEMA,
    )
    run = await run_flow(storage, definition, isolated(handlers.profile) if in_process else handlers.profile)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["a"] == {
        "worker-1": {
            "model": "small",
            "skills": {
                "count": {"source": "path", "path": "count.md"},
                "argue": {"source": "inline", "content": "how to argue"},
            },
            "provider_params": {"temperature": 0.5},
            "output_schema": SCHEMA,
            "memory": True,
            "allows": ["read"],
            "most": 900,
        }
    }


@pytest.mark.parametrize(
    ("allowed", "blocked", "seen"),
    [
        (None, None, "xyz"),
        (["x", "y"], None, "xy"),
        (None, ["x"], "yz"),
        (["x", "y"], ["y", "z"], "x"),
        ([], None, ""),
    ],
)
def test_a_tool_is_allowed_that_the_step_lists_and_does_not_block(
    allowed: list[str] | None, blocked: list[str] | None, seen: str
) -> None:
    profile = told(step(allowed_tools=allowed, blocked_tools=blocked))
    assert [tool for tool in "xyz" if profile.allows(tool)] == list(seen)


def test_the_schema_of_the_step_comes_before_that_of_the_profile() -> None:
    of_step = {"type": "array"}
    launch = RunLaunch(
        definition="digest", members=SortedDict(), schemas=SortedDict({"a": of_step}), parsed_steps=("a",)
    )
    assert told(step(), launch=launch, output_schema=SCHEMA).output_schema == of_step
    assert told(step(), output_schema=SCHEMA).output_schema == SCHEMA
    assert told(step()).output_schema is None


def test_a_schema_of_an_answer_that_stays_a_text_is_none_of_a_json_answer() -> None:
    launch = RunLaunch(definition="digest", members=SortedDict(), schemas=SortedDict({"a": {"minLength": 3}}))
    assert told(step(), launch=launch, output_schema=SCHEMA).output_schema is None


def test_a_profile_of_the_realm_is_told_by_its_name() -> None:
    spec = step(blocked_tools=["x"])
    definition = mob({"a": spec}).model_copy(
        update={"profiles": SortedDict({"worker": RealmProfileRef(realm_profile="shared")})}
    )
    profile = step_profile(definition, RunLaunch(definition="digest", members=SortedDict()), "a", spec)
    assert (profile.realm_profile, profile.model, dict(profile.skills)) == ("shared", "", {})
    assert not profile.allows("x")


def test_a_context_that_a_test_makes_has_a_profile_that_says_nothing() -> None:
    profile = StepProfile()
    assert (profile.model, profile.output_schema, dict(profile.skills)) == ("", None, {})
    assert profile.allows("anything")
