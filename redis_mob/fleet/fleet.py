"""The fleet as its users see it: start runs, wait for them, cancel them, and work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from redis_mob.codec.arguments import instance, integer, optional_instance, optional_text, text
from redis_mob.codec.executions import encode_definition
from redis_mob.errors import HandlerError, NotFoundError, ValidationError, shortened, shown
from redis_mob.fleet.calls import max_orphaned_turns
from redis_mob.fleet.lease import DEFAULT_LEASE, checked_lease
from redis_mob.fleet.recovery import recover
from redis_mob.fleet.schemas import read_schemas
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.fleet.worker import Worker
from redis_mob.kernel.validation import require_valid
from redis_mob.models.base import SortedDict, check_value
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import RunLaunch
from redis_mob.models.flow_spec import FlowSpec, OutputFormat
from redis_mob.models.run import MobRun
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

MOST_MEMBERS = 100_000
"""The greatest number of members of a role: each has a name in the record of every run."""


class Fleet:
    """Runs the flows of one definition over a storage; any number of processes may have one of the same.

    `handlers` maps roles to handlers, `*` to that of all other roles. `members` says how many members a role has,
    1 unless given; they are named `<role>-1` and so on. Raises DefinitionError with every diagnostic, and
    ValidationError for a number of members, or a lease, that makes no sense.
    """

    def __init__(
        self,
        storage: MobStorage,
        definition: MobDefinition,
        handlers: Mapping[str, Handler],
        *,
        members: Mapping[str, int] | None = None,
        lease: timedelta = DEFAULT_LEASE,
    ) -> None:
        require_valid(instance("definition", definition, MobDefinition))
        self._storage = storage
        self._definition = definition
        instance("handlers", handlers, Mapping)
        optional_instance("members", members, Mapping)
        self._handlers = handlers
        self._lease = checked_lease(lease)
        self._members = _named_members(definition, members or {})

    async def start(self, flow_id: str, params: Any = None, idempotency_key: str | None = None) -> str:
        """Start a run of a flow and return its id. The same idempotency key always gives the same run.

        Raises NotFoundError for an unknown flow, HandlerError when a role of the flow has no handler here,
        ValidationError for parameters that are no JSON, DefinitionError for a schema that cannot be read.
        """
        flow = self._flow(text("flow_id", flow_id))
        for step_id, step in flow.steps.items():
            if handler_for(self._handlers, step.role) is None:
                raise HandlerError(
                    f"step {shown(step_id)}: role {shown(step.role)} has no handler; give one for it, or for '*'"
                )
        try:
            check_value(params)
        except ValueError as error:
            raise ValidationError(f"params: {shortened(error)}") from None
        limits, supervisor = self._definition.limits, self._definition.supervisor
        run = MobRun.pending(
            self._definition.id,
            flow_id,
            flow,
            params,
            limits,
            run_id=self._run_id(flow_id, optional_text("idempotency_key", idempotency_key)),
            escalation_threshold=supervisor.escalation_threshold if supervisor else 0,
        )
        # Everything that decides about the run is stored with it: a worker of any process, also one with a newer
        # definition of this mob, goes on by the rules that the run was started with.
        launch = RunLaunch(
            definition=encode_definition(self._definition)[0],
            members=self._members,
            schemas=SortedDict(read_schemas(flow)),
            parsed_steps=_parsed_steps(flow),
            max_duration_ms=limits.max_flow_duration_ms if limits else None,
        )
        # False means that the run exists: this call repeats one with the same idempotency key, and its run is the one
        # that was asked for.
        await self._storage.executions.start_run(run, launch, self._definition)
        return run.run_id

    async def wait(self, run_id: str) -> MobRun:
        """The run, once it is over. Raises NotFoundError if it does not exist."""
        async with self._storage.executions.listen(run_id) as wake_up:
            while True:
                status = await self._storage.executions.status(run_id)
                if status is None:
                    raise NotFoundError(f"run {run_id} does not exist")
                if status.is_terminal and (run := await self._storage.runs.get_run(run_id)) is not None:
                    return run
                await wake_up.wait(SWEEP_SECONDS)

    async def cancel(self, run_id: str) -> bool:
        """Ask for the cancellation of a run; a worker carries it out. False if the run is over already.

        Raises NotFoundError if it does not exist.
        """
        return await self._storage.executions.request_cancel(run_id)

    async def recover(self) -> list[str]:
        """Mend the runs of this mob that a crash of another engine has left half written; see `recovery.recover`."""
        storage = self._storage
        return await recover(self._definition, storage.events, storage.runs, storage.executions)

    async def work(self, concurrency: int = 16, stop: asyncio.Event | None = None, name: str | None = None) -> None:
        """Be a worker of this namespace until `stop` is set; see `Worker`."""
        worker = Worker(
            self._storage.executions,
            self._handlers,
            lease=self._lease,
            concurrency=concurrency,
            max_orphaned_turns=max_orphaned_turns(self._definition),
            name=name,
        )
        await worker.run(stop)

    def _flow(self, flow_id: str) -> FlowSpec:
        flow = self._definition.flows.get(flow_id)
        if flow is None:
            known = ", ".join(map(repr, self._definition.flows)) or "none"
            raise NotFoundError(f"mob {shown(self._definition.id)} has no flow {shown(flow_id)}; it has: {known}")
        return flow

    def _run_id(self, flow_id: str, idempotency_key: str | None) -> str | None:
        if idempotency_key is None:
            return None
        # The key becomes the id of the run, so that a second start finds the run that exists, and no separate
        # record has to be kept in step. JSON keeps the parts apart: no two lists have the same text.
        identity = json.dumps(["redis-mob", self._definition.id, flow_id, idempotency_key])
        return str(uuid5(NAMESPACE_URL, identity))


def _named_members(definition: MobDefinition, counts: Mapping[str, int]) -> SortedDict[tuple[str, ...]]:
    for role, count in counts.items():
        if role not in definition.profiles:
            raise ValidationError(f"members: the definition has no role {shown(role)}")
        if not 0 <= integer(f"members: the number of {shown(role)}", count) <= MOST_MEMBERS:
            raise ValidationError(f"members: role {shown(role)} cannot have {shown(count)} members")
    return SortedDict(
        {role: tuple(f"{role}-{n}" for n in range(1, counts.get(role, 1) + 1)) for role in definition.profiles}
    )


def _parsed_steps(flow: FlowSpec) -> tuple[str, ...]:
    """The steps whose texts are read as JSON: those that say so, and those that have a schema and do not say."""
    return tuple(
        step_id
        for step_id, step in flow.steps.items()
        if step.output_format is OutputFormat.JSON
        or (step.output_format is None and step.expected_schema_ref is not None)
    )
