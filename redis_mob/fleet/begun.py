"""What a worker needs to execute what it has claimed: made once a claim is committed, from the run as it is then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from redis_mob.codec.definitions import flow_of_run
from redis_mob.fleet.conversation import SeenConversation, conversation_in
from redis_mob.fleet.driver_services import Services
from redis_mob.fleet.lease import LeasedExecution
from redis_mob.fleet.outcome import most_bytes
from redis_mob.fleet.published import publish
from redis_mob.fleet.step_profile import StepProfile, role_profile, step_profile
from redis_mob.fleet.traced_attempts import TracedAttempts
from redis_mob.kernel.context import ConditionContext, visible_context
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, Lease
from redis_mob.models.flow_spec import Isolation
from redis_mob.models.run import MobRun
from redis_mob.models.transition import RunView


@dataclass(frozen=True, slots=True)
class Begun:
    """An execution that the worker has claimed and is to execute, and the run as it was when it was claimed."""

    held: LeasedExecution
    run: MobRun
    visible: ConditionContext
    profile: StepProfile
    isolation: Isolation | None
    conversation: SeenConversation | None


class BegunExecutions:
    """Makes them for one run."""

    def __init__(self, run_id: str, services: Services, traced: TracedAttempts) -> None:
        self._run_id = run_id
        self._services = services
        self._traced = traced
        self._profiles: dict[str, StepProfile] = {}

    def of(self, view: RunView, definition: MobDefinition, claimed: Sequence[ExecutionKey]) -> list[Begun]:
        """Those of the executions with these keys, which the worker has claimed in the run as it is."""
        if not claimed:
            return []
        # One view of the run for all that begin together; they see what was decided in the same transition.
        flow = flow_of_run(definition, view.run)
        visible = visible_context(view.run, flow)
        conversation = conversation_in(view)
        executions = [(key, view.executions[key]) for key in claimed]
        return [
            Begun(
                self._held(view, key, execution, execution.lease),
                view.run,
                visible,
                self._profile(definition, view, execution),
                None if execution.escalation is not None else flow.steps[execution.step_id].isolation,
                conversation,
            )
            for key, execution in executions
            if execution.lease is not None
        ]

    def _profile(self, definition: MobDefinition, view: RunView, execution: Execution) -> StepProfile:
        if execution.escalation is not None:
            return role_profile(definition, view.launch, execution.role)
        step_id = execution.step_id
        # made once for each step: neither the definition nor the launch of a run changes, and a step has many members
        profile = self._profiles.get(step_id)
        if profile is None:
            step = flow_of_run(definition, view.run).steps[step_id]
            profile = self._profiles[step_id] = step_profile(definition, view.launch, step_id, step)
        return profile

    def _held(self, view: RunView, key: ExecutionKey, execution: Execution, lease: Lease) -> LeasedExecution:
        run_id, presence = self._run_id, self._services.presence
        now = view.now.timestamp()
        put = partial(publish, self._services.store, view.launch, run_id, key, execution)
        label = partial(self._services.store.set_labels, run_id, key=key, execution=execution)
        most = most_bytes(view.launch)
        held = LeasedExecution(
            run_id, key, execution, lease, now, lambda: presence.holds(run_id, key), put, label, most_bytes=most
        )
        held.traced = self._traced.taken(key, lease.fencing_token)
        return held
