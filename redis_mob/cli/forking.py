"""Forks a run of a namespace, and waits for the end of the new one if that is asked for."""

from __future__ import annotations

from functools import partial

from rich.console import Console

from redis_mob.cli.endings import print_line, say
from redis_mob.cli.existing import existing
from redis_mob.cli.run_argument import run_id_of
from redis_mob.cli.run_watching import loaded, reported
from redis_mob.fleet.run_wait import held_up
from redis_mob.fleet.unserved import UnservedNews
from redis_mob.models.base import json_text
from redis_mob.models.run_status import MobRunStatus
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.forking import ForkOrder, fork
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage


async def forked(
    url: str,
    namespace: str,
    seal_keys: SealKeyring | None,
    run: str,
    order: ForkOrder,
    console: Console,
    *,
    wait: bool,
    as_json: bool,
) -> MobRunStatus | None:
    """Fork a run, and print the id of the new one; with `wait`, how it has ended."""
    async with existing(url, namespace, seal_keys) as storage:
        origin = await run_id_of(FleetAdmin(storage), run)
        # a run that exists already has events from before
        after = 0 if order.idempotency_key is not None else await storage.events.latest_cursor()
        run_id = await fork(storage, origin, order)
        if not as_json:
            print_line(run_id)  # before the end is waited for: who interrupts that has the id
        status = await _ended(storage, run_id, console) if wait else None
        if as_json:
            ended = {} if status is None else {"status": status}
            print_line(json_text({"run_id": run_id, "forked_from": origin, "from_step": order.from_step, **ended}))
        elif status is MobRunStatus.FAILED:
            for line in (await reported(storage, run_id, after)).summary(verbose=False):
                say(console, line)
        elif status is not None:
            say(console, f"run {run_id}: {status}")
        return status


async def _ended(storage: MobStorage, run_id: str, console: Console) -> MobRunStatus:
    news = UnservedNews(partial(held_up, storage, run_id))
    async with storage.executions.listen(run_id, only_end=True) as wake_up:
        while True:
            await wake_up.wait(SWEEP_SECONDS)
            status = await storage.executions.status(run_id)
            if status is None or status.is_terminal:
                return status or (await loaded(storage, run_id)).run.status
            for line in await news.since():
                say(console, line)
