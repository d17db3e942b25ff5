"""The options of `redis-mob resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import (
    DryRunOption,
    JsonOfEachOption,
    NamespaceOption,
    RunsArgument,
    SealKeysOption,
    SharedUrlOption,
    YesOption,
)
from redis_mob.cli.run_choice import RunChoice, choosing_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from redis_mob.operations.bulk import SteeredRun
    from redis_mob.operations.fleet_admin import FleetAdmin


@choosing_runs
def resume(
    choice: RunChoice,
    runs: RunsArgument = None,
    each: Annotated[
        bool, typer.Option("--each", help="Resume each run of --mob or --flow by itself, and not these as a whole.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Let go on what is paused: runs, a flow, or a mob.

    With --mob alone, or --mob and --flow, it is the mob or the flow that goes on, but for runs of it that are paused by
    themselves. These are named by their ids, or chosen by the other options; --each chooses all of a mob or a flow.
    A run that has failed is started anew from the step that failed by fork.

    Exit status: 0 resumed, 1 one was not paused or is over, or the answer was no, 2 usage error or an unknown run,
    3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.bulk_steering import SteeringOrder, steer_runs
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.pausing import resume_whole, told
    from redis_mob.models.run_status import NOT_OVER

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        return told(await admin.resume(run_id), "resumed", "is not paused by itself")

    def act_on_all(admin: FleetAdmin, which: Mapping[str, Any]) -> AsyncIterator[SteeredRun]:
        return admin.resume_all(**which)

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys, named = read_seal_keys(seal_keys), runs or []
        choice.require_mob_of_flow(each)
        if choice.names_a_mob and not each and not named:
            raise typer.Exit(asyncio.run(resume_whole(address, namespace, keys, choice, json=as_json)))
        order = SteeringOrder("Resume", "resumed", NOT_OVER, act, act_on_all, only_paused=True)
        status = steer_runs(address, namespace, keys, named, choice, order, yes=yes, dry_run=dry_run, json=as_json)
    raise typer.Exit(status)
