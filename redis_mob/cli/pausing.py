"""Pauses and resumes flows and mobs as a whole, and says what came of it."""

from __future__ import annotations

from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.run_choice import RunChoice
from redis_mob.errors import CasConflictError, shown
from redis_mob.models.base import json_text
from redis_mob.models.pause import PauseChange
from redis_mob.models.run_status import NOT_OVER, MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.known_names import unknown_names
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage


def told(change: PauseChange, done: str, already: str) -> str | None:
    """What to say of a run, None if it is over. Raises CasConflictError if nothing had to be done."""
    if change is PauseChange.ALREADY:
        raise CasConflictError(f"the run {already}")
    return done if change is PauseChange.DONE else None


async def pause_whole(
    url: str, namespace: str, seal_keys: SealKeyring | None, choice: RunChoice, reason: str | None, *, json: bool
) -> ExitStatus:
    """Pause the mob or the flow that the options name."""
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys) as storage:
        admin, mob, flow = FleetAdmin(storage), choice.mob or "", choice.flow
        if flow is None:
            is_done = await admin.pause_mob(mob, reason)
        else:
            is_done = await admin.pause_flow(mob, flow, reason)
        counts = await admin.count(mob_id=mob, flow_id=flow, statuses=NOT_OVER)
        running, pending = counts[MobRunStatus.RUNNING], counts[MobRunStatus.PENDING]
        await _note(storage, choice, is_found=bool(running or pending))
        return _say(
            choice,
            "paused" if is_done else "is paused already",
            f": {running:,} running, {pending:,} pending" if running or pending else "; no run of it is under way",
            is_done=is_done,
            json=json,
        )


async def resume_whole(
    url: str, namespace: str, seal_keys: SealKeyring | None, choice: RunChoice, *, json: bool
) -> ExitStatus:
    """Resume the mob or the flow that the options name."""
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys) as storage:
        admin, mob, flow = FleetAdmin(storage), choice.mob or "", choice.flow
        is_done = await admin.resume_mob(mob) if flow is None else await admin.resume_flow(mob, flow)
        await _note(storage, choice, is_found=is_done)
        return _say(choice, "resumed" if is_done else "is not paused as a whole", "", is_done=is_done, json=json)


async def _note(storage: MobStorage, choice: RunChoice, *, is_found: bool) -> None:
    """Say that a name may be mistyped, where nothing is found by it: a mob may be paused before its first run."""
    if not is_found and (mistyped := await unknown_names(storage, choice.mob, choice.flow)) is not None:
        say(stderr_console(), f"note: {mistyped}")


def _say(choice: RunChoice, what: str, more: str, *, is_done: bool, json: bool) -> ExitStatus:
    if json:
        flow = {} if choice.flow is None else {"flow": choice.flow}
        print_line(json_text({"mob": choice.mob, **flow, "done": is_done}))
    else:
        of = f"flow {shown(choice.flow)} of " if choice.flow is not None else ""
        print_line(f"{of}mob {shown(choice.mob)}: {what}{more}")
    return ExitStatus.COMPLETED if is_done else ExitStatus.FAILED
