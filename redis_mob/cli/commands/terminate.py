"""The options of `redis-mob terminate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
def terminate(
    choice: RunChoice,
    runs: RunsArgument = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOfEachOption = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """End runs at once, without waiting for handlers.

    They are canceled, and no result counts that comes after it. Options like --mob and --status choose all runs to
    which they apply; it shows how many, and asks.

    Exit status: 0 all are canceled, 1 one was over already or the answer was no, 2 usage error or an unknown run,
    3 storage unavailable.
    """
    from redis_mob.cli.arguments import read_seal_keys
    from redis_mob.cli.bulk_steering import SteeringOrder, steer_runs
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, shared_url
    from redis_mob.models.run_status import NOT_OVER

    async def act(admin: FleetAdmin, run_id: str) -> str | None:
        return "canceled" if await admin.terminate(run_id) else None

    def act_on_all(admin: FleetAdmin, which: Mapping[str, Any]) -> AsyncIterator[SteeredRun]:
        return admin.terminate_all(**which)

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory="no other process has a run there")
        keys, named = read_seal_keys(seal_keys), runs or []
        order = SteeringOrder("End at once", "canceled", NOT_OVER, act, act_on_all, question="End {runs} at once?")
        status = steer_runs(address, namespace, keys, named, choice, order, yes=yes, dry_run=dry_run, json=as_json)
    raise typer.Exit(status)
