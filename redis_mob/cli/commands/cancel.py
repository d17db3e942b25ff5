"""The options of `redis-mob cancel`."""

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
def cancel(
    choice: RunChoice,
    runs: RunsArgument = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the runs are over.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Cancel runs; their handlers may clean up.

    Nothing new begins, and handlers under way are cancelled. A worker carries it out; where none is alive, this command
    does. Options like --mob and --status choose all runs to which they apply; it shows how many, and asks.

    Exit status: 0 all are canceled or will be, 1 one was over already or ended otherwise, or the answer was no, 2 usage
    error or an unknown run, 3 storage unavailable.
    """
    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.bulk_steering import SteeringOrder, steer_runs
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.models.run_status import NOT_OVER

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        if not await admin.cancel(run_id, wait=wait):
            return None
        return "" if wait else "its cancellation was asked for"

    def act_on_all(admin: FleetAdmin, which: Mapping[str, Any]) -> AsyncIterator[SteeredRun]:
        return admin.cancel_all(**which, wait=wait)

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys, named = read_seal_keys(seal_keys), runs or []
        order = SteeringOrder(
            "Cancel", "canceled" if wait else "its cancellation was asked for", NOT_OVER, act, act_on_all
        )
        status = steer_runs(address, namespace, keys, named, choice, order, yes=yes, dry_run=dry_run, json=as_json)
    raise typer.Exit(status)
