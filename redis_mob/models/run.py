"""A run as a whole: status, kernel states, outputs and ledgers (contract: json-14)."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import Field

from redis_mob.host_environment import environment
from redis_mob.models.authority import FlowAuthorityInput, RunFlow
from redis_mob.models.base import (
    SCHEMA_VERSION,
    U32,
    FrozenDict,
    Items,
    JsonValue,
    RunId,
    SortedDict,
    Timestamp,
    canonical_run_id,
    is_none,
)
from redis_mob.models.flow import FlowRunState, FrameSnapshot, LoopSnapshot
from redis_mob.models.late_fields import LateFields
from redis_mob.models.ledger import FailureLedgerEntry, LoopIterationLedgerEntry, StepLedgerEntry
from redis_mob.models.role_targets import RoleTargets
from redis_mob.models.run_outputs import NO_DEFAULT, output_of, outputs_of
from redis_mob.models.run_status import MobRunStatus

if TYPE_CHECKING:
    from redis_mob.models.definition import LimitsSpec
    from redis_mob.models.flow_spec import FlowSpec

T = TypeVar("T")
D = TypeVar("D")


class MobRun(LateFields):
    """One run with everything that belongs to it, as `get_run` returns it.

    `flow_definition_digest` is what meerkat has said of a run since 0.8.16: `sha256:`, and the digest of the flow that
    it was started with. `role_targets`, since 0.9, are the members that each role stands for (contract: runs-32). Runs
    that are started here have neither.
    """

    run_id: RunId
    mob_id: str
    flow_id: str
    flow_definition_digest: str | None = Field(default=None, exclude_if=is_none)
    status: MobRunStatus
    flow_state: FlowRunState
    activation_params: JsonValue
    created_at: Timestamp
    completed_at: Timestamp | None = None
    step_ledger: Items[StepLedgerEntry]
    failure_ledger: Items[FailureLedgerEntry]
    frames: SortedDict[FrameSnapshot] = SortedDict()
    loops: SortedDict[LoopSnapshot] = SortedDict()
    loop_iteration_ledger: Items[LoopIterationLedgerEntry] = ()
    schema_version: U32 = 0
    root_step_outputs: FrozenDict[str, JsonValue] = FrozenDict()
    loop_iteration_outputs: SortedDict[Items[FrozenDict[str, JsonValue]]] = SortedDict()
    flow_authority_inputs: Items[FlowAuthorityInput] = ()
    role_targets: RoleTargets | None = Field(default=None, exclude_if=is_none)

    @classmethod
    def pending(
        cls,
        mob_id: str,
        flow_id: str,
        flow_spec: "FlowSpec",
        activation_params: Any,
        limits: "LimitsSpec | None" = None,
        *,
        run_id: str | None = None,
        escalation_threshold: int = 0,
        created_at: datetime | None = None,
    ) -> "MobRun":
        """A fresh run, not stored yet: Pending, with a random id and the present time unless they are given.

        `escalation_threshold` is the one of the mob's supervisor, 0 without one. Raises DefinitionError when the
        steps of the flow cannot be ordered (contract: json-14, kernel-4).
        """
        from redis_mob.models.seed import beginning_of  # it knows definitions, and a run does not

        made = str(environment().new_id()) if run_id is None else canonical_run_id(run_id)
        seed, flow_state = beginning_of(made, flow_spec, limits, escalation_threshold)
        return cls(
            run_id=made,
            mob_id=mob_id,
            flow_id=flow_id,
            status=MobRunStatus.PENDING,
            flow_state=flow_state,
            activation_params=activation_params,
            created_at=environment().now() if created_at is None else created_at,
            step_ledger=(),
            failure_ledger=(),
            schema_version=SCHEMA_VERSION,
            flow_authority_inputs=(RunFlow(payload=seed),),
        )

    @overload
    def output(self, step_id: str) -> Any: ...
    @overload
    def output(self, step_id: str, kind: type[T]) -> T: ...
    @overload
    def output(self, step_id: str, kind: type[T], *, default: D) -> T | D: ...
    @overload
    def output(self, step_id: str, kind: Any = None, *, default: Any = None) -> Any: ...
    def output(self, step_id: str, kind: Any = None, *, default: Any = NO_DEFAULT) -> Any:
        """The output of a step, as JSON, or read by pydantic as a value of type `kind`.

        Of a step in a loop that of its latest iteration. It is the value itself for one that asks one member or takes
        any; for one that several members answer, `outputs` has the value of each. `default` is what is returned for a
        step that has no output, as of a branch that was not taken.
        Raises NotFoundError for a step that is not there, or has no output and no default is given; ValidationError
        naming the path for an output that is no `kind` (contract: engine-54).
        """
        return output_of(self, step_id, kind, default)

    @overload
    def outputs(self, step_id: str) -> dict[str, Any]: ...
    @overload
    def outputs(self, step_id: str, kind: type[T]) -> dict[str, T]: ...
    @overload
    def outputs(self, step_id: str, kind: Any) -> dict[str, Any]: ...
    def outputs(self, step_id: str, kind: Any = None) -> dict[str, Any]:
        """What each member gave whose value counts for the output of a step, by the names of the members.

        Reads each value as `kind`, and raises as `output` does.
        """
        return outputs_of(self, step_id, kind)

    def core(self) -> "MobRun":
        """This run without its step ledger, its ledger of loop iterations and its authority inputs.

        Decisions look at nothing of these. They grow with each commit, and are most of a large run.
        """
        return self.model_copy(update={"step_ledger": (), "loop_iteration_ledger": (), "flow_authority_inputs": ()})

    def with_output(self, step_id: str, output: Any, loop_context: tuple[str, int] | None) -> "MobRun":
        """This run with the output of a step in the root frame, or of one in (loop id, iteration).

        An output that is recorded again stays where it stands in the order of recording. Iterations before this one
        that have no outputs read as empty (contract: runs-26, runs-27).
        """
        if loop_context is None:
            return self.model_copy(update={"root_step_outputs": self.root_step_outputs.set((step_id, output))})
        loop_id, number = loop_context
        iterations = list(self.loop_iteration_outputs.get(loop_id, ()))
        iterations += [FrozenDict[str, Any]() for _ in range(len(iterations), number + 1)]
        iterations[number] = iterations[number].set((step_id, output))
        outputs = self.loop_iteration_outputs.set((loop_id, tuple(iterations)))
        return self.model_copy(update={"loop_iteration_outputs": outputs})
