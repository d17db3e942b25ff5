"""What a definition says of the member that executes a step: model, skills, tools, and the form of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from redis_mob.fleet.outcome import MAX_OUTPUT_BYTES, most_bytes
from redis_mob.models.base import FrozenDict
from redis_mob.models.definition import MobDefinition, SkillSource
from redis_mob.models.execution import RunLaunch
from redis_mob.models.flow_spec import FlowStepSpec
from redis_mob.models.profile import RealmProfileRef, ToolConfig


@dataclass(frozen=True, slots=True)
class StepProfile:
    """The profile of a role, with what one step adds to it, as the definition says that its run was started with.

    `model`, `tools`, `skills` and `provider_params` are those of the profile; `skills` maps names to where their texts
    are, in the profile's order. All of them are empty for a profile that is kept in the realm: then `realm_profile` is
    its name there. `output_schema` is the JSON schema of the answer: that of the step, or, if that has none, that of
    the profile; None if the answer is a text. An output of more than `max_output_bytes`, as JSON, is refused.

    The step lets the member use the tools in `allowed_tools`, all of them if that is None, without those in
    `blocked_tools`; `allows` says it for one tool. It is for the handler to keep to that.
    """

    model: str = ""
    realm_profile: str | None = None
    tools: ToolConfig = field(default_factory=ToolConfig)
    skills: Mapping[str, SkillSource] = field(default_factory=dict[str, SkillSource])
    provider_params: Any = None
    output_schema: Any = None
    allowed_tools: tuple[str, ...] | None = None
    blocked_tools: tuple[str, ...] = ()
    max_output_bytes: int = MAX_OUTPUT_BYTES

    def allows(self, tool: str) -> bool:
        """Whether the step lets its member use the tool of this name."""
        return (self.allowed_tools is None or tool in self.allowed_tools) and tool not in self.blocked_tools


def step_profile(definition: MobDefinition, launch: RunLaunch, step_id: str, step: FlowStepSpec) -> StepProfile:
    """The profile for a step of a run that was started with this definition."""
    # A step may have a schema and say that its answers are texts: then the schema is one of a text.
    of_step = launch.schemas.get(step_id) if step_id in launch.parsed_steps else None
    of_role = role_profile(definition, launch, step.role)
    return replace(
        of_role,
        output_schema=of_role.output_schema if step_id not in launch.schemas else of_step,
        allowed_tools=step.allowed_tools,
        blocked_tools=step.blocked_tools or (),
    )


def role_profile(definition: MobDefinition, launch: RunLaunch, role: str) -> StepProfile:
    """The profile of a role, as its member has it that is asked for no step: the supervisor's."""
    profile = definition.profiles.get(role)
    if profile is None or isinstance(profile, RealmProfileRef):
        return StepProfile(
            realm_profile=None if profile is None else profile.realm_profile, max_output_bytes=most_bytes(launch)
        )
    return StepProfile(
        model=profile.model,
        tools=profile.tools,
        skills=FrozenDict({name: definition.skills[name] for name in profile.skills if name in definition.skills}),
        provider_params=profile.provider_params,
        output_schema=profile.output_schema,
        max_output_bytes=most_bytes(launch),
    )
