"""What a worker does for the children of runs: it starts them, ends them, and tells their parents of their end.

A commit decides, and this carries it out. Each part may be done again at any time, by any worker, and does nothing the
second time (decision 0035):

* A child is started after the commit that waits for it, and only as long as its parent waits.
* It is canceled before the commit that leaves it. One that was not started yet is started for that: another worker may
  be about to start it.
* Its parent is told after the commit that ends it; until that is done the child is due, and cannot be deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from redis_mob.codec.definitions import flow_of_run
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import NotFoundError
from redis_mob.fleet.deadline import CHILD_CHECK
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.subflows import begun_children, child_run, is_told, left_children, news_of, open_children
from redis_mob.fleet.traced_starts import start_of_child, told, traced
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.transition import RunView, Transition

AT_ONCE = 100
"""Calls for children of one run that are under way at a time."""

End = Callable[[str], Awaitable[object]]
"""Ends the run of this id. Raises NotFoundError if there is none."""


class Children:
    """The children of one run, and its parent, as a worker knows them."""

    def __init__(self, store: ExecutionStore, definitions: Definitions) -> None:
        self._store = store
        self._definitions = definitions
        self._started = set[str]()
        """Children that were started, or found."""
        self._check_at = 0.0

    async def look_after(self, view: RunView, definition: MobDefinition) -> None:
        """Do for a run as it was read what a worker that was lost may have left: tell its parent that it is over, start
        the children that it waits for, and report the ends of children whose workers did not tell it."""
        await tell_parent(self._store, view, definition)
        if view.run.status.is_terminal or view.cancel_requested or not flow_of_run(definition, view.run).subflows:
            return
        waiting, now = open_children(view), asyncio.get_running_loop().time()
        if now >= self._check_at:
            self._started.clear()
            self._check_at = now + CHILD_CHECK.total_seconds()
        unknown = {key: one for key, one in waiting.items() if one.child and one.child.run_id not in self._started}
        await _for_each(unknown, lambda key, execution: self._check(view, definition, key, execution))

    async def _check(self, view: RunView, definition: MobDefinition, key: ExecutionKey, execution: Execution) -> None:
        child_id = execution.child.run_id if execution.child is not None else ""
        status = await self._store.status(child_id)
        if status is None:
            await self._start(view, definition, key, execution)
        elif status.is_terminal and not is_told(view, child_id):
            child = await self._store.load(child_id)
            if child is not None:
                await tell_parent(self._store, child, await self._definitions.of(child))
        self._started.add(child_id)

    async def _start(self, view: RunView, definition: MobDefinition, key: ExecutionKey, execution: Execution) -> None:
        self._started.add(await _start_child(self._store, view, definition, key, execution))

    async def before(self, transition: Transition, definition: MobDefinition) -> None:
        """Do what comes before a transition: cancel the children that it leaves."""
        await end_left(self._store, transition, definition, self._store.request_cancel)

    async def after(self, transition: Transition, view: RunView, definition: MobDefinition) -> None:
        """Do what comes after a transition, which led to this: start the children it waits for, tell the parent."""
        if flow_of_run(definition, view.run).subflows:
            begun = begun_children(transition)
            await _for_each(begun, lambda key, execution: self._start(view, definition, key, execution))
        await tell_parent(self._store, view, definition)


async def end_left(store: ExecutionStore, transition: Transition, definition: MobDefinition, end: End) -> None:
    """End the children that a transition leaves, before it is committed: what is done twice does no harm then."""
    view = transition.before
    if not flow_of_run(definition, view.run).subflows:
        return

    async def end_one(key: ExecutionKey, execution: Execution) -> None:
        if execution.child is None:
            return
        try:
            await end(execution.child.run_id)
        except NotFoundError:
            # It is not started yet, and the worker that is to do so may be slow: it finds it, canceled.
            await _start_child(store, view, definition, key, execution)
            with suppress(NotFoundError):
                await end(execution.child.run_id)

    await _for_each(left_children(transition), end_one)


async def _start_child(
    store: ExecutionStore, view: RunView, definition: MobDefinition, key: ExecutionKey, execution: Execution
) -> str:
    """Start the child of an execution, unless another worker was faster, or it is waited for no more; gives its id."""
    run, launch, parent, at = child_run(view, definition, key, execution)
    start = start_of_child(run, launch, view, execution)
    launch = traced(start, launch)
    await told(start, store.start_child(run, launch, definition, parent=parent, execution=execution, at=at))
    return run.run_id


async def tell_parent(store: ExecutionStore, view: RunView, definition: MobDefinition) -> None:
    """Tell the parent of a run, if it has one, and is over."""
    if view.parent is not None and view.run.status.is_terminal:
        news = news_of(view, flow_of_run(definition, view.run), view.parent)
        await store.tell_parent(view.run.run_id, view.parent, news)


async def _for_each(
    executions: Mapping[ExecutionKey, Execution], do: Callable[[ExecutionKey, Execution], Awaitable[None]]
) -> None:
    waiting = list(executions.items())
    for start in range(0, len(waiting), AT_ONCE):
        await asyncio.gather(*(do(key, execution) for key, execution in waiting[start : start + AT_ONCE]))
