"""The options of `redis-mob pause`."""

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
def pause(
    choice: RunChoice,
    runs: RunsArgument = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why, for those who look at it.", show_default=False)
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="Pause each run of --mob or --flow by itself, and not these as a whole.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Let nothing new begin in runs, a flow or a mob.

    It lasts until they are resumed. With --mob alone, or --mob and --flow, it is the mob or the flow that is paused:
    also runs that start later. Else runs are named by their ids, or chosen by the other options. What is under way
    ends and is recorded; then its next steps wait. Paused runs can be cancelled, deleted and sent signals.

    Time goes on: deadlines of flows, timeouts of waits for signals and pauses before retries end as they would have,
    and schedules start runs, of which nothing begins.

    Exit status: 0 paused, 1 one was paused already or is over, or the answer was no, 2 usage error or an unknown run,
    3 storage unavailable.
    """
    import asyncio

    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.bulk_steering import SteeringOrder, steer_runs
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.cli.pausing import pause_whole, told
    from redis_mob.models.run_status import NOT_OVER

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        return told(await admin.pause(run_id, reason), "paused", "is paused already")

    def act_on_all(admin: FleetAdmin, which: Mapping[str, Any]) -> AsyncIterator[SteeredRun]:
        return admin.pause_all(**which, reason=reason)

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys, named = read_seal_keys(seal_keys), runs or []
        choice.require_mob_of_flow(each)
        if choice.names_a_mob and not each and not named:
            raise typer.Exit(asyncio.run(pause_whole(address, namespace, keys, choice, reason, json=as_json)))
        order = SteeringOrder("Pause", "paused", NOT_OVER, act, act_on_all)
        status = steer_runs(address, namespace, keys, named, choice, order, yes=yes, dry_run=dry_run, json=as_json)
    raise typer.Exit(status)
