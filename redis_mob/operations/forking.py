"""Starts runs that take over what another run has completed (contract: operations-60 to operations-66)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Final

from redis_mob.codec.arguments import optional_instance, optional_text, optional_valid_text, text
from redis_mob.codec.definitions import flow_of_run
from redis_mob.codec.labels import checked_attributes, checked_labels, checked_summary
from redis_mob.errors import CasConflictError, NotFoundError, SerializationError, ValidationError, shown
from redis_mob.fleet.carried import NO_OUTPUT, added_up, output_of
from redis_mob.fleet.conversation_start import checked_talk
from redis_mob.fleet.flow_choice import chosen_flow
from redis_mob.fleet.items import target_of, targets_in
from redis_mob.fleet.run_start import (
    checked_begin,
    checked_params,
    checked_priority,
    new_run,
    read_subflows,
    read_terms,
    run_id_of,
)
from redis_mob.fleet.starting import start_made
from redis_mob.kernel.seeds import root_frame_id
from redis_mob.kernel.validation import require_valid
from redis_mob.models.base import SortedDict, json_text
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, RunLaunch
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.fork import Carried, CarriedStep, ForkedFrom
from redis_mob.models.labels import AttributeValue, Labels
from redis_mob.models.order import natural_key
from redis_mob.models.run import MobRun
from redis_mob.models.transition import NodeKey, RunView
from redis_mob.operations.fork_plan import ForkPlan, plan_fork
from redis_mob.storage import MobStorage


class Unchanged(Enum):
    """Says that a forked run has what the run has that it comes from: None may be asked for."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True)
class ForkOrder:
    """How a forked run is to differ from the run that it comes from."""

    from_step: str | None
    params: Any
    definition: MobDefinition | None
    idempotency_key: str | None
    priority: int | None
    at: datetime | None
    release: str | Unchanged | None
    attributes: Mapping[str, AttributeValue] | Unchanged | None = UNCHANGED
    summary: str | Unchanged | None = UNCHANGED
    talk: tuple[Conversation, OnBusy] | Unchanged | None = UNCHANGED

    @classmethod
    def of(cls, from_step: object, params: Any, definition: object, key: object, **more: Any) -> ForkOrder:
        """The same, of checked arguments. Raises ValidationError."""
        priority, release = more["priority"], more["release"]
        attributes, summary = more.get("attributes", UNCHANGED), more.get("summary", UNCHANGED)
        conversation, on_busy = more.get("conversation", UNCHANGED), more.get("on_busy")
        is_chosen = conversation is not UNCHANGED or on_busy is not None
        given = None if conversation is UNCHANGED else conversation
        return cls(
            from_step=optional_text("from_step", from_step),
            params=params,
            definition=optional_instance("definition", definition, MobDefinition),
            idempotency_key=optional_valid_text("idempotency_key", key),
            priority=None if priority is None else checked_priority(priority),
            at=checked_begin(more["at"]),
            release=release if release is UNCHANGED else optional_valid_text("release", release),
            attributes=attributes if attributes is UNCHANGED else checked_attributes(attributes),
            summary=summary if summary is UNCHANGED else checked_summary(summary),
            talk=checked_talk(given, on_busy, at=more["at"], gathering=None) if is_chosen else UNCHANGED,
        )

    def labels_after(self, before: Labels) -> Labels:
        """The labels of the new run, from those of the run that it comes from."""
        attributes = before.attributes if isinstance(self.attributes, Unchanged) else self.attributes
        summary = before.summary if isinstance(self.summary, Unchanged) else self.summary
        return checked_labels(attributes, summary)

    def talk_after(self, view: RunView) -> tuple[Conversation, OnBusy] | None:
        """The conversation of the new run, if it is to have one. Raises ValidationError if that has to be chosen."""
        if not isinstance(self.talk, Unchanged):
            return self.talk
        if view.turn is not None:
            named = shown(view.turn.id)
            raise ValidationError(
                f"run {view.run.run_id} is in conversation {named}, whose history has what it appended: fork it with "
                f"conversation={named} (--conversation), so that what runs anew appends to that once more, or with "
                "conversation=None (--no-conversation), so that the new run has none"
            )
        return None


async def fork(storage: MobStorage, run_id: str, order: ForkOrder) -> str:
    """See `FleetAdmin.fork`."""
    view = await storage.executions.load(text("run_id", run_id))
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    if not view.run.status.is_terminal:
        raise CasConflictError(
            f"run {view.run.run_id} is {view.run.status}, and only a run that is over is forked: wait for its end, or "
            "cancel it first"
        )
    talk = order.talk_after(view)
    old = await storage.executions.get_definition(view.launch.definition)
    source = ForkSource.of(view, old, order)
    ended = await storage.executions.ended(view.run.run_id, source.unread) if source.unread else ()
    run, launch = source.forked(dict(zip(source.unread, ended, strict=True)))
    labels, definition = order.labels_after(view.labels), source.definition
    if not await start_made(storage, run, launch, definition, at=order.at, talk=talk, labels=labels):
        await _require_same(storage, run, launch, order.idempotency_key)
    return run.run_id


@dataclass(frozen=True)
class ForkSource:
    """A run that is over, what is carried over from it, and the definition that its fork has."""

    view: RunView
    old: MobDefinition
    definition: MobDefinition
    order: ForkOrder
    plan: ForkPlan

    @classmethod
    def of(cls, view: RunView, old: MobDefinition, order: ForkOrder) -> ForkSource:
        """The same, planned. Raises as `FleetAdmin.fork` does."""
        definition, flow_id = order.definition or old, view.run.flow_id
        if order.definition is not None:
            require_valid(definition)
            if definition.id != old.id:
                raise ValidationError(
                    f"run {view.run.run_id} is one of mob {shown(old.id)}, not of {shown(definition.id)}"
                )
            chosen_flow(flow_id, definition.id, definition.flows)
        plan = plan_fork(view.run, flow_of_run(old, view.run), definition.flows[flow_id], order.from_step)
        return cls(view, old, definition, order, plan)

    @property
    def _flow(self) -> FlowSpec:
        return flow_of_run(self.definition, self.view.run)

    @property
    def _old_flow(self) -> FlowSpec:
        return flow_of_run(self.old, self.view.run)

    @cached_property
    def unread(self) -> Sequence[ExecutionKey]:
        """The executions of items that are carried over, and are not read with the run."""
        keys = (key for node, (step_id, _) in self.plan.steps.items() for key in self._items(node, step_id))
        return [key for key in keys if key not in self.view.executions]

    def forked(self, ended: Mapping[ExecutionKey, Execution]) -> tuple[MobRun, RunLaunch]:
        """The new run, and what it is started with, from these executions of items. Raises as `FleetAdmin.fork`."""
        view, order, flow_id = self.view, self.order, self.view.run.flow_id
        params = view.run.activation_params if order.params is UNCHANGED else order.params
        if order.definition is not None:
            schemas, params = read_terms(flow_id, self._flow, params)
            subflows = read_subflows(self.definition, flow_id)
        else:
            # The schemas are those that the run was started with: their files may have changed, or be on another host.
            schemas, subflows = view.launch.schemas, view.launch.subflows
            params = params if order.params is UNCHANGED else checked_params(flow_id, self._flow, params)
        key = order.idempotency_key
        run, launch = new_run(
            self.definition,
            flow_id,
            params,
            schemas=schemas,
            members={role: view.launch.members.get(role, (f"{role}-1",)) for role in self.definition.profiles},
            run_id=None if key is None else run_id_of("fork", self.definition.id, flow_id, key),
            priority=view.launch.priority if order.priority is None else order.priority,
            release=view.launch.release if order.release is UNCHANGED else order.release,
            forked_from=ForkedFrom(run_id=view.run.run_id, from_step=order.from_step),
            carried=self._carried(ended),
            subflows=subflows,
            budget=view.launch.budget,
        )
        if order.definition is None:
            # How outputs are read is as it was for that run, also if an older release has started it.
            changed = ("definition", "priority", "release", "forked_from", "carried", "trace")
            launch = view.launch.model_copy(update={name: getattr(launch, name) for name in changed})
        return run, launch

    def _items(self, node: NodeKey, step_id: str) -> list[ExecutionKey]:
        """The executions of the items of a node that were begun; none of a step without `for_each`."""
        progress = self.view.progress.get(node)
        members = targets_in(self.view.launch, self._old_flow.steps[step_id])
        if progress is None or not members:
            return []
        return [ExecutionKey(*node, target_of(members, index)) for index in range(progress.begun)]

    def _carried(self, ended: Mapping[ExecutionKey, Execution]) -> Carried:
        view, run_id = self.view, self.view.run.run_id
        by_node: dict[NodeKey, dict[str, Execution]] = {}
        for key, execution in sorted(view.executions.items(), key=lambda one: natural_key(one[0].target)):
            by_node.setdefault(key.node, {})[key.target] = execution
        frames: dict[str, dict[str, CarriedStep]] = {body: {} for body in (root_frame_id(run_id), *self.plan.bodies)}
        for node, (step_id, place) in self.plan.steps.items():
            items = {key.target: view.executions.get(key) or ended[key] for key in self._items(node, step_id)}
            one, output = self._of_node(node, step_id, items or by_node.get(node, {}))
            # recorded is what the step gave, if the definition makes something else of the answers of its members
            recorded = () if added_up(self._flow.steps[step_id], one) == output else (output,)
            frames[node[0]][place] = one.model_copy(update={"recorded": recorded})
        return Carried(
            frames=SortedDict({frame.removeprefix(run_id): SortedDict(steps) for frame, steps in frames.items()}),
            loops=SortedDict({loop.removeprefix(run_id): rounds for loop, rounds in self.plan.loops.items()}),
        )

    def _of_node(self, node: NodeKey, step_id: str, executions: Mapping[str, Execution]) -> tuple[CarriedStep, Any]:
        """What the targets of a step gave, and its output. Raises SerializationError if that is gone."""
        run, spec = self.view.run, self._old_flow.steps[step_id]
        if (before := self.view.launch.carried.step(run.run_id, *node)) is not None:
            return before, output_of(spec, before)  # it was carried over to that run, too
        progress, completed = self.view.progress.get(node), ExecutionStatus.COMPLETED
        one = CarriedStep(
            outputs=SortedDict({name: ended.output for name, ended in executions.items() if ended.status is completed}),
            items=None if progress is None else progress.items,
        )
        # A loop in a loop records its iterations over those of its instance before: only executions have them all.
        is_root = node[0] == root_frame_id(run.run_id)
        output = run.root_step_outputs.get(step_id, NO_OUTPUT) if is_root else added_up(spec, one)
        if output is NO_OUTPUT:
            raise SerializationError(
                f"run {run.run_id}: step {shown(step_id)} completed, and its output is gone; fork it from that step, "
                "or from one before"
            )
        return one, output


async def _require_same(storage: MobStorage, run: MobRun, launch: RunLaunch, key: str | None) -> None:
    stored = await storage.executions.load(run.run_id)
    if stored is None:
        return  # it was deleted, and its key kept
    if stored.launch.forked_from != launch.forked_from or stored.launch.definition != launch.definition:
        raise ValidationError(f"idempotency_key {shown(key)} belongs to run {run.run_id}, which is another fork")
    if json_text(stored.run.activation_params) != json_text(run.activation_params):
        raise ValidationError(
            f"idempotency_key {shown(key)} belongs to run {run.run_id}, which was forked with other params: use "
            "another key for another run"
        )
