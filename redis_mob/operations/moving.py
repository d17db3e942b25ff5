"""Gives a run to another release, if that has workers which can execute its steps."""

from __future__ import annotations

from collections.abc import Iterable

from redis_mob.codec.moves import release_name
from redis_mob.errors import CasConflictError, NotFoundError, shortened, shown
from redis_mob.models.worker import WorkerRecord
from redis_mob.past.run_events import checked_run_id
from redis_mob.storage import MobStorage


async def move(storage: MobStorage, run_id: str, release: str | None, *, force: bool) -> bool:
    """See `FleetAdmin.move`."""
    run_id, release = checked_run_id(run_id), release_name(release)
    view = await storage.executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    if view.run.status.is_terminal:
        return False
    if not force:
        workers = [live.record for live in await storage.executions.workers()]
        _check(run_id, view.run.mob_id, view.launch.definition, release, workers)
    return await storage.steering.move_run(run_id, release)


def _check(run_id: str, mob_id: str, digest: str, release: str | None, workers: Iterable[WorkerRecord]) -> None:
    """Raises CasConflictError if no living worker of the release is made for the definition of the run."""
    of_release = [one for one in workers if release in (None, one.release) and _is_for_mob(one, mob_id)]
    if any(one.definitions is None or digest in one.definitions for one in of_release):
        return
    named = "no release" if release is None else f"release {shown(release)}"
    if not of_release:
        raise CasConflictError(f"run {run_id} stays where it is: no worker of {named} is alive that serves its mob")
    known = sorted({shortened(one[:12]) for worker in of_release for one in worker.definitions or ()})
    raise CasConflictError(
        f"run {run_id} stays where it is: it was started with definition {digest[:12]}, and the workers of {named} are "
        f"made for {', '.join(known) or 'none'}; their handlers may not fit it"
    )


def _is_for_mob(worker: WorkerRecord, mob_id: str) -> bool:
    return worker.mobs is None or mob_id in worker.mobs
