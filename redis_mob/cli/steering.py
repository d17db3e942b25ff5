"""What the commands do that steer runs: each run that is named in turn, with one line for each."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence

import typer

from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import print_line, say
from redis_mob.cli.existing import existing
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.run_argument import run_id_of
from redis_mob.errors import CasConflictError, NotFoundError, ValidationError
from redis_mob.models.base import json_text
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.security.sealing import SealKeyring

Act = Callable[[FleetAdmin, str], Awaitable[str | None]]
"""What is done with a run: what to say of it, '' for its status; None if nothing was done because it is over."""


def confirmed(question: str, *, yes: bool) -> None:
    """Ask the person at the terminal; no ends the command. Raises ValidationError if none is there."""
    if yes:
        return
    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise ValidationError("no person can be asked here: give --yes to do it without a question")
    if not typer.confirm(question, err=True):
        raise typer.Exit(ExitStatus.FAILED)


async def steer(
    url: str, namespace: str, seal_keys: SealKeyring | None, runs: Sequence[str], act: Act, *, json: bool
) -> ExitStatus:
    """Do something with each of these runs, and print a line for each; the status to end with.

    Errors about one run are told, and the others go on.
    """
    ends = ExitStatus.COMPLETED
    console = stderr_console()
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        seen = set[str]()
        for text in runs:
            try:
                run_id = await run_id_of(admin, text)
                if run_id in seen:
                    continue
                seen.add(run_id)
                done = await act(admin, run_id)
            except (NotFoundError, ValidationError, CasConflictError) as error:
                found = ExitStatus.FAILED if isinstance(error, CasConflictError) else ExitStatus.USAGE
                say(console, f"error: {error}")
                ends = max(ends, found)
                continue
            status = await storage.executions.status(run_id)
            is_done = done is not None and (done != "" or status is MobRunStatus.CANCELED)
            if not is_done:
                ends = max(ends, ExitStatus.FAILED)
            if json:
                print_line(json_text({"run_id": run_id, "done": is_done, "status": status or "deleted"}))
            else:
                print_line(f"run {run_id}: {_told(done, status)}")
    return ends


def _told(done: str | None, status: MobRunStatus | None) -> str:
    return f"is over already: {status}" if done is None else done or str(status)
