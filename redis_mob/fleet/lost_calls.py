"""Calls whose attempts are over and have not told what they used: they count with what they had put aside.

They may have been paid, and nothing is there any more that could say so (contract: budget-5).
"""

from __future__ import annotations

from collections.abc import Collection

from redis_mob.codec.budgets import settlement_of_lost
from redis_mob.contracts import BudgetStore, ExecutionStore
from redis_mob.models.budget import Account, Reservation
from redis_mob.models.model_usage import UsedBy
from redis_mob.models.transition import RunView

KEPT_MS = 10 * 60 * 1000
"""How long the storage keeps that a call was lost; lua/budgets/settle has the same."""


async def settle_lost(budgets: BudgetStore, executions: ExecutionStore, run_id: str | None = None) -> int:
    """Settle such calls, of one run or of all, and return how many there were.

    A fencing token that an execution does not have any more it never has again, and a worker that is not known under
    its id any more never is again: nothing has to be compared when such a call is settled. That its execution was taken
    over is not waited for: it may wait for handlers whose calls wait for this one.
    """
    known = await budgets.reservations()
    # by the clock of the storage it is at least as late as that
    now = max((call.lost_ms or call.at_ms for call in known), default=0)
    stale = [call for call in known if call.lost_ms is not None and now - call.lost_ms > KEPT_MS]
    for call in stale:
        await _settle(budgets, call, None)
    found = [call for call in known if call.lost_ms is None and run_id in (None, call.run_id)]
    if not found:
        return 0
    views = {one: await executions.load(one) for one in dict.fromkeys(call.run_id for call in found)}
    alive = {worker.record.id for worker in await executions.workers()}
    lost = [call for call in found if not _is_under_way(call, views[call.run_id], alive)]
    for call in lost:
        view = views[call.run_id]
        await _settle(budgets, call, None if view is None else UsedBy(view.run.mob_id, view.run.flow_id))
    return len(lost)


async def _settle(budgets: BudgetStore, call: Reservation, by: UsedBy | None) -> None:
    declared = {scope: Account() for scope in call.scopes}
    await budgets.settle(call, settlement_of_lost(call, by), declared, was_reserved=True, is_lost=True)


def _is_under_way(call: Reservation, view: RunView | None, alive: Collection[str]) -> bool:
    execution = None if view is None else view.executions.get(call.key)
    lease = None if execution is None else execution.lease
    return lease is not None and lease.fencing_token == call.fencing_token and lease.owner in alive
