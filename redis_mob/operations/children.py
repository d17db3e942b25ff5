"""The children of a run: the runs that its steps run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from redis_mob.codec.arguments import integer, optional_text
from redis_mob.codec.definitions import flow_of_run
from redis_mob.codec.run_summaries import decode_cursor, failure_fields
from redis_mob.errors import NotFoundError
from redis_mob.fleet.child_ids import children_of
from redis_mob.fleet.items import target_of, targets_in
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunPage, RunSummary
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage

AT_ONCE = 20
"""How many children are read at a time."""


async def children(storage: MobStorage, run_id: str, which: RunFilter, limit: int, after: str | None) -> RunPage:
    """See `FleetAdmin.children`."""
    limit, before = integer("limit", limit, least=1), decode_cursor(optional_text("after", after))
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    definition = await storage.executions.get_definition(view.launch.definition)
    ids = list(enumerate(await _ids(storage, view, definition), 1))
    found: list[tuple[int, RunSummary]] = []
    left = [one for one in reversed(ids) if before is None or one[0] < before]
    while left and len(found) <= limit:
        taken, left = left[:AT_ONCE], left[AT_ONCE:]
        views = await asyncio.gather(*(storage.executions.load(child_id) for _, child_id in taken))
        summaries = [(number, summary_of(child)) for (number, _), child in zip(taken, views, strict=True) if child]
        found += [(number, one) for number, one in summaries if which.includes(one)]
    page = found[:limit]
    following = str(page[-1][0]) if len(found) > limit else None
    return RunPage(runs=tuple(one for _, one in page), next=following, now=view.now)


async def _ids(storage: MobStorage, view: RunView, definition: MobDefinition) -> Sequence[str]:
    """The ids of all children that may exist, in the order in which a run begins them, as far as that is known."""
    flow, run_id = flow_of_run(definition, view.run), view.run.run_id
    items = [
        ExecutionKey(*node, target_of(targets_in(view.launch, flow.steps[progress.step_id]), index))
        for node, progress in view.progress.items()
        if progress.step_id in flow.subflows
        for index in range(progress.begun)
    ]
    over = [key for key in items if key not in view.executions]
    ended = dict(zip(over, await storage.executions.ended(run_id, over), strict=True)) if over else {}
    executions: Mapping[ExecutionKey, Execution] = {**view.executions, **ended}
    ordered = sorted(executions.items(), key=lambda one: (one[1].due_at, one[1].item.index if one[1].item else 0))
    return [child for key, execution in ordered for child in children_of(run_id, key, execution)]


def summary_of(view: RunView) -> RunSummary:
    """What a list shows of a run that was read."""
    run, has_failed = view.run, view.run.status is MobRunStatus.FAILED and view.run.failure_ledger
    return RunSummary.unchecked(
        run_id=run.run_id,
        mob_id=run.mob_id,
        flow_id=run.flow_id,
        status=run.status,
        created_at=run.created_at,
        launched_at=view.launched_at,
        completed_at=run.completed_at,
        release=view.launch.release,
        cancel_requested=view.cancel_requested,
        active_nodes=run.flow_state.active_node_count,
        parent=view.parent and view.parent.run_id,
        **(failure_fields(run.failure_ledger[-1]) if has_failed else {}),
    )
