"""Authority inputs: the log of what the flow machine was told, kept with each run (contract: json-20)."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, core_schema

from redis_mob.models.base import U64, Items, Model, SortedDict, SortedSet
from redis_mob.models.flow import CollectionPolicyKind, DependencyMode, FrameScope, NodeKind, NodeStatus


class RunSeed(Model):
    """Everything a run starts from. Ids are plain texts here: the machine checks them, the store does not."""

    run_id: str
    step_ids: SortedSet[str]
    ordered_steps: Items[str]
    step_has_conditions: SortedDict[bool]
    step_dependencies: SortedDict[Items[str]]
    step_dependency_modes: SortedDict[DependencyMode]
    step_branches: SortedDict[str | None]
    step_collection_policies: SortedDict[CollectionPolicyKind]
    step_quorum_thresholds: SortedDict[U64]
    escalation_threshold: U64
    max_step_retries: U64
    max_active_nodes: U64
    max_active_frames: U64
    max_frame_depth: U64


class FrameSeed(Model):
    """Everything a frame starts from."""

    run_id: str
    frame_id: str
    frame_scope: FrameScope
    loop_instance_id: str | None = None
    iteration: U64
    tracked_nodes: SortedSet[str]
    ordered_nodes: Items[str]
    node_kind: SortedDict[NodeKind]
    node_dependencies: SortedDict[Items[str]]
    node_dependency_modes: SortedDict[DependencyMode]
    node_branches: SortedDict[str | None]
    node_step_ids: SortedDict[str]
    node_loop_ids: SortedDict[str]
    node_status: SortedDict[NodeStatus]
    ready_queue: Items[str]


class LoopSeed(Model):
    """Everything a loop instance starts from."""

    loop_instance_id: str
    parent_frame_id: str
    parent_node_id: str
    loop_id: str
    depth: U64
    max_iterations: U64


class RunCommand(Model):
    """One command to the run machine; the fields a command does not use are None."""

    run_id: str
    command: str
    step_id: str | None = None
    run_step_key: str | None = None
    step_status: str | None = None
    target_count: U64 | None = None
    frame_id: str | None = None
    node_id: str | None = None
    loop_instance_id: str | None = None
    retry_key: str | None = None


class RunCommandWithoutKey(RunCommand):
    """A command to the run machine as meerkat writes it since 0.7: it does not say the key of the step."""

    run_step_key: None = Field(default=None, exclude=True)  # pyright: ignore[reportIncompatibleVariableOverride]


class FrameCommand(Model):
    """One command to the frame machine."""

    frame_id: str
    command: str
    node_id: str | None = None
    frame_node_key: str | None = None
    node_status: str | None = None
    terminal_status: str | None = None


class FrameCommandWithoutKey(FrameCommand):
    """A command to a frame machine as meerkat writes it since 0.7: it does not say the key of the node."""

    frame_node_key: None = Field(default=None, exclude=True)  # pyright: ignore[reportIncompatibleVariableOverride]


class _AsWritten:
    """Reads a command that was written without this key as one that is written without it."""

    def __init__(self, key: str, without_key: type[Model]) -> None:
        self._key, self._without_key = key, without_key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        key, without_key = self._key, self._without_key

        def read(command: Model) -> Model:
            if key in command.__pydantic_fields_set__:
                return command
            fields = {name: item for name, item in vars(command).items() if name != key}
            return without_key.model_validate({**fields, **(command.model_extra or {})})

        def taken(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
            # one that was made in Python says what its class says
            return validate(value) if isinstance(value, Model) else read(validate(value))

        command = handler(source)
        return core_schema.json_or_python_schema(
            core_schema.no_info_after_validator_function(read, command),  # to wrap it takes twice as long
            core_schema.no_info_wrap_validator_function(taken, command),
            serialization=core_schema.simple_ser_schema("any"),  # as the class of the command says
        )


class LoopIterationRecord(Model):
    """What happened to one iteration of a loop."""

    loop_instance_id: str
    iteration: U64


class LoopCommand(Model):
    """One command to the loop machine."""

    loop_instance_id: str
    command: str
    body_frame_id: str | None = None
    body_frame_iteration: U64 | None = None


class RunFlow(Model):
    """The run was created through the mob."""

    input: Literal["RunFlow"] = "RunFlow"
    payload: RunSeed


class CreateRunSeed(Model):
    """The run was created from a seed alone."""

    input: Literal["CreateRunSeed"] = "CreateRunSeed"
    payload: RunSeed


class AuthorizeFlowRunReducerCommand(Model):
    """A command to the run machine."""

    input: Literal["AuthorizeFlowRunReducerCommand"] = "AuthorizeFlowRunReducerCommand"
    payload: Annotated[RunCommand, _AsWritten("run_step_key", RunCommandWithoutKey)]


class CreateFrameSeed(Model):
    """A frame was created."""

    input: Literal["CreateFrameSeed"] = "CreateFrameSeed"
    payload: FrameSeed


class AuthorizeFlowFrameReducerCommand(Model):
    """A command to a frame machine."""

    input: Literal["AuthorizeFlowFrameReducerCommand"] = "AuthorizeFlowFrameReducerCommand"
    payload: Annotated[FrameCommand, _AsWritten("frame_node_key", FrameCommandWithoutKey)]


class CreateLoopSeed(Model):
    """A loop instance was created."""

    input: Literal["CreateLoopSeed"] = "CreateLoopSeed"
    payload: LoopSeed


class RecordLoopBodyFrameCompleted(Model):
    """The body frame of an iteration was completed."""

    input: Literal["RecordLoopBodyFrameCompleted"] = "RecordLoopBodyFrameCompleted"
    payload: LoopIterationRecord


class RecordLoopUntilConditionMet(Model):
    """The until condition held after this iteration."""

    input: Literal["RecordLoopUntilConditionMet"] = "RecordLoopUntilConditionMet"
    payload: LoopIterationRecord


class RecordLoopUntilConditionFailed(Model):
    """The until condition did not hold after this iteration."""

    input: Literal["RecordLoopUntilConditionFailed"] = "RecordLoopUntilConditionFailed"
    payload: LoopIterationRecord


class AuthorizeLoopIterationReducerCommand(Model):
    """A command to a loop machine."""

    input: Literal["AuthorizeLoopIterationReducerCommand"] = "AuthorizeLoopIterationReducerCommand"
    payload: LoopCommand


FlowAuthorityInput: TypeAlias = Annotated[
    RunFlow
    | CreateRunSeed
    | AuthorizeFlowRunReducerCommand
    | CreateFrameSeed
    | AuthorizeFlowFrameReducerCommand
    | CreateLoopSeed
    | RecordLoopBodyFrameCompleted
    | RecordLoopUntilConditionMet
    | RecordLoopUntilConditionFailed
    | AuthorizeLoopIterationReducerCommand,
    Field(discriminator="input"),
]
"""The ten inputs that a run's log may hold; anything else is refused when it is built (contract: runs-29)."""

STORABLE_INPUTS = (
    RunFlow,
    CreateRunSeed,
    AuthorizeFlowRunReducerCommand,
    CreateFrameSeed,
    AuthorizeFlowFrameReducerCommand,
    CreateLoopSeed,
    RecordLoopBodyFrameCompleted,
    RecordLoopUntilConditionMet,
    RecordLoopUntilConditionFailed,
    AuthorizeLoopIterationReducerCommand,
)

FLOW_AUTHORITY_INPUT: TypeAdapter[FlowAuthorityInput] = TypeAdapter(
    FlowAuthorityInput, config=ConfigDict(defer_build=True)
)
"""Reads one input from JSON."""
