"""Reads what is stored of a run, and describes it (contract: operations-20)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.items import target_of, targets_in
from redis_mob.fleet.limit_waits import loads_of
from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import NodeKey, RunView
from redis_mob.operations.budget_lines import BudgetLine
from redis_mob.operations.budget_reading import budgets_in
from redis_mob.operations.describing import StoredRun
from redis_mob.operations.run_description import RunDescription
from redis_mob.storage import MobStorage


async def stored_run(
    storage: MobStorage,
    run_id: str,
    *,
    outputs: bool = False,
    attempts: bool = False,
    definitions: Definitions | None = None,
) -> StoredRun:
    """All that is stored of a run; `definitions` are those that were read already.

    Raises NotFoundError as `FleetAdmin.describe` does.
    """
    executions = storage.executions
    view = await executions.load(run_id)
    # The ledger is read after the run: rows that came since are of what has not ended in the view, and not used.
    run = None if view is None else await storage.runs.get_run(run_id)
    if view is None or run is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    definition = await (definitions or Definitions(executions)).of(view)
    events = None
    if attempts:
        from redis_mob.past.run_events import events_of

        events = await events_of(storage.events, view.run.run_id, view.launched_at, view.run.completed_at)
    return StoredRun(
        view=view,
        step_ledger=run.step_ledger,
        flow=flow_of_run(definition, view.run),
        workers=await executions.workers(),
        events=events,
        with_outputs=outputs,
        loads=await loads_of(storage, view),
        children=await _children(storage, view),
    )


async def with_items(
    storage: MobStorage, stored: StoredRun, most: int, node: NodeKey | None = None, member: str | None = None
) -> StoredRun:
    """The run with executions of items that are over, which are not read with it; those that are open are.

    They are those of all steps with items, of one `node`, or of its one `member`; `most` at most, the first by index.
    """
    view = stored.view
    begun = (
        ExecutionKey(*place, target_of(targets_in(view.launch, stored.flow.steps[progress.step_id]), index))
        for place, progress in view.progress.items()
        if node in (None, place)
        for index in range(progress.begun)
    )
    are_over = (key for key in begun if key not in view.executions and member in (None, key.target))
    over = list(islice(are_over, most))
    if not over:
        return stored
    ended = dict(zip(over, await storage.executions.ended(view.run.run_id, over), strict=True))
    view = replace(view, executions=FrozenDict({**view.executions, **ended}))
    return replace(stored, view=view, children=await _children(storage, view))


async def _children(storage: MobStorage, view: RunView) -> Mapping[str, MobRunStatus | None]:
    ids = [execution.child.run_id for execution in view.executions.values() if execution.child is not None]
    statuses = await asyncio.gather(*map(storage.executions.status, ids))
    return dict(zip(ids, statuses, strict=True))


async def describe(
    storage: MobStorage,
    run_id: str,
    *,
    outputs: bool,
    attempts: bool,
    definitions: Definitions | None = None,
    items: int = 0,
) -> RunDescription:
    """See `FleetAdmin.describe`; `definitions` are those that were read already.

    Up to `items` executions of items that are over are listed among the members of their steps.
    """
    definitions = definitions or Definitions(storage.executions)
    stored = await stored_run(storage, run_id, outputs=outputs, attempts=attempts, definitions=definitions)
    stored = await with_items(storage, stored, items)
    told: tuple[BudgetLine, ...] = ()
    with suppress(ValidationError):  # of a key that cannot be rendered: no call begins in such a run
        lines = await budgets_in(storage, stored.view, definitions)
        told = tuple(one for one in lines if one.is_bounded or one.is_used)
    return stored.described().model_copy(update={"budgets": told})
